/** What an answer says: a result, or an error that becomes the same BusError again at the caller. */
import { z } from 'zod';
import { BusError, type ErrorCode, errorRegistry } from '../errors.ts';

const answerSchema = z.union([
  z.strictObject({ ok: z.unknown() }),
  z.strictObject({
    error: z.strictObject({ code: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()) }),
  }),
]);

export function okAnswer(ok: unknown): unknown {
  return { ok };
}

/** Causes and stacks stay here. */
export function errorAnswer(error: BusError): unknown {
  return { error: { code: error.code, message: error.message, details: error.details } };
}

/** Returns the result or throws the control plane's error. */
export function readAnswer(answer: unknown): unknown {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success)
    throw new BusError('E_REQUEST_BAD', 'the control plane answered in a form this version does not know');
  if ('ok' in parsed.data) return parsed.data.ok;
  const { code, message, details } = parsed.data.error;
  if (isErrorCode(code)) throw new BusError(code, message, { details });
  throw new BusError('E_REQUEST_BAD', `${code}: ${message}`, { details });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorRegistry, code);
}
