/**
 * Foreign errors of PostgreSQL and its sockets become ours here, with the original as cause. Only names of constraints
 * and SQLSTATEs are told on, never values or the connection string.
 */
import { BusError, isBusError } from '../errors.ts';

const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
// Appendix A of the PostgreSQL manual: connection exceptions, shutdown, too many connections, cannot connect now
const awayStates = /^(08|57P0|53300|25006)/;
const againStates = new Set(['40001', '40P01', '55P03']);
const loginStates = new Set(['28P01', '28000', '3D000']);

/** `doing` completes the sentence "the database … while …". */
export function databaseError(error: unknown, doing: string): BusError {
  if (isBusError(error)) return error;
  const { code, constraint } = error instanceof AggregateError ? facts(error.errors[0]) : facts(error);
  const options = { cause: error, details: { code, constraint } };
  if (code !== undefined && loginStates.has(code)) {
    return new BusError(
      'E_DATABASE_AWAY',
      `the database refused the login or has no such name (${code}) while ${doing}: check DATABASE_URL`,
      options,
    );
  }
  if (isAway(error, code)) {
    return new BusError(
      'E_DATABASE_AWAY',
      `the database does not answer (${code ?? 'connection lost'}) while ${doing}: check that PostgreSQL runs`,
      options,
    );
  }
  if (code !== undefined && againStates.has(code)) {
    return new BusError('E_DATABASE_AWAY', `the database asks to try again (${code}) while ${doing}`, options);
  }
  if (code !== undefined) {
    return new BusError(
      'E_DATABASE',
      `the database refused (${code}${constraint ? `, ${constraint}` : ''}) while ${doing}`,
      options,
    );
  }
  return new BusError('E_INTERNAL', `unexpected failure while ${doing}`, options);
}

function isAway(error: unknown, code: string | undefined): boolean {
  if (code !== undefined) return socketCodes.has(code) || awayStates.test(code);
  // pg names no code when a socket closes under a query or a pool waits too long
  return (
    error instanceof Error &&
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/.test(error.message)
  );
}

function facts(error: unknown): { code?: string; constraint?: string } {
  if (typeof error !== 'object' || error === null) return {};
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const constraint = 'constraint' in error && typeof error.constraint === 'string' ? error.constraint : undefined;
  return { ...(code && { code }), ...(constraint && { constraint }) };
}
