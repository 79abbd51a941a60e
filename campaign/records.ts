/**
 * The ledger's files: one per publisher and one per consumer process and group, lines of text that are only ever appended, in
 * the run's own directory, outside the bus. A line is written to the operating system before the next thing happens, so
 * a killed client leaves at most its last line incomplete, and that one is not counted.
 *
 *   publisher   p N MS DIGEST            about to publish the N-th
 *               a N MS SEQUENCE          PubAck
 *               u N MS REASON            no answer: it may be stored or not
 *               r N MS CODE              refused by JetStream: it is not stored
 *   consumer    d ID MS PLACE DIGEST     delivered, written before it is acknowledged
 *               k ID MS PLACE            nats-server confirmed the acknowledgement
 *
 * ID is `customer.site.topic.N`, PLACE names the stored copy: `SEQUENCE@STORED`, its sequence in the group's stream and the
 * time it was stored there, in nanoseconds. MS is the clients' clock, milliseconds since 1970.
 */
import { hash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';

export const idHeader = 'Campaign-Id';
const digestLength = 16;

/** Appends lines; each call is with the operating system when it returns. */
export class LineWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a', 0o600);
    // ends a line that a killed process left incomplete
    writeSync(this.#file, '\n');
  }

  write(lines: readonly string[]): void {
    if (lines.length > 0) writeSync(this.#file, `${lines.join('\n')}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Calls back with the fields of each line. */
export async function eachRecord(path: string, onFields: (fields: string[]) => void): Promise<void> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return;
  for await (const line of file.readLines()) if (line !== '') onFields(line.split(' '));
}

/** Of what the application sees: subject, its own headers, payload. */
export function digestOf(subject: string, headers: Iterable<[string, string[]]>, payload: Uint8Array): string {
  const own = [...headers]
    .filter(([key]) => !/^(nats|mb)-/i.test(key))
    .map(([key, values]) => `${key}: ${values.join(', ')}`)
    .sort();
  const text = Buffer.from(`${subject}\n${own.join('\n')}\n\n`);
  return hash('sha256', Buffer.concat([text, payload]), 'hex').slice(0, digestLength);
}
