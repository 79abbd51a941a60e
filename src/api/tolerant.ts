/**
 * Reads what a newer build wrote: fields that this one does not know are passed over, at any depth. For answers, snapshots
 * and reports, never for commands, in which an unknown field may change what is asked for.
 */
import type { z } from 'zod';

/** As `schema.safeParse`. `value` comes from JSON, belongs to the caller, and loses the unknown fields. */
export function parseKnown<S extends z.ZodType>(schema: S, value: unknown): z.ZodSafeParseResult<z.output<S>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed;
  const unknown = parsed.error.issues.filter((issue) => issue.code === 'unrecognized_keys');
  if (unknown.length === 0 || unknown.length < parsed.error.issues.length) return parsed;
  for (const { path, keys } of unknown) {
    const at = path.reduce<unknown>(child, value);
    for (const key of keys) Reflect.deleteProperty(at as object, key);
  }
  return schema.safeParse(value);
}

function child(value: unknown, step: PropertyKey): unknown {
  return Reflect.get(value as object, step);
}
