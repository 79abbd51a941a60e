/**
 * Where errors of the NATS client and of JetStream's API become ours. Every call to either goes through `natsCall`.
 * API error codes: nats-server's server/errors.json.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { BusError, errorText, isBusError } from '../errors.ts';

export const apiCode = {
  streamNotFound: 10059,
  consumerNotFound: 10014,
  consumerExists: 10148,
  wrongLastSequence: 10071,
  storageExceeded: 10047,
  accountStorageExceeded: 10002,
  consumersExceeded: 10026,
  maxBytes: 10077,
  maxMessages: 10077,
} as const;

/** The account may not reserve as much, or have as many: nats-server says so with any of these. */
const fullCodes: ReadonlySet<number> = new Set([
  apiCode.storageExceeded,
  apiCode.accountStorageExceeded,
  apiCode.consumersExceeded,
]);

/** The JetStream API code inside an error, 0 when it is none. */
export function apiErrorCode(error: unknown): number {
  if (error instanceof JetStreamApiError) return error.code;
  if (isBusError(error) && typeof error.details.apiCode === 'number') return error.details.apiCode;
  return 0;
}

/** Runs one call; its failure becomes E_NATS with the JetStream code in `details.apiCode`. */
export async function natsCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (isBusError(error)) throw error;
    const isFull = fullCodes.has(apiErrorCode(error));
    throw new BusError(isFull ? 'E_CUSTOMER_FULL' : 'E_NATS', `${what}: ${errorText(error)}`, {
      cause: error,
      details: { apiCode: apiErrorCode(error) },
    });
  }
}

/** Null instead of the error when the named thing does not exist. */
export async function orNull<T>(call: Promise<T>, ...codes: number[]): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (codes.includes(apiErrorCode(error))) return null;
    throw error;
  }
}
