/** Times as JetStream prints them. */
import { BusError } from '../errors.ts';

/** RFC 3339 with up to nine digits of a second, as JetStream and delivery print it; nanoseconds since 1970. */
export function parseTime(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  if (match === null) throw new BusError('E_NATS', `${text} is no time`);
  const [, seconds = '', fraction = ''] = match;
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
