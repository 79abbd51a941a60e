/** Reads one dead letter whole, at its site: what a message says never leaves the LANs of sender and receiver. */
import type { NatsConnection } from '@nats-io/nats-core';
import { directGet, filterHeaders } from '../nats/index.ts';
import { deadStreamName } from '../site/index.ts';
import { type LetterRow, letterRow } from './letter.ts';

export interface WholeLetter extends LetterRow {
  /** as it was published; percent-encoded where no client could name it */
  subject: string;
  /** the application's own header lines */
  headers: string[];
  payload: Uint8Array;
}

/** Null when there is none of that number. E_NATS */
export async function readLetter(
  nc: NatsConnection,
  { topic, group, seq }: { topic: string; group: string; seq: number },
): Promise<WholeLetter | null> {
  const [message] = await directGet(nc, deadStreamName(topic, group), { seq, batch: 1, max_bytes: 16 * 1024 * 1024 });
  if (message?.seq !== seq || message.header('Mb-Reason') === undefined) return null;
  const { lines } = filterHeaders(message.headers);
  return {
    ...letterRow(message),
    subject: message.header('Mb-Subject') ?? message.subject,
    headers: lines.split('\r\n').filter((line) => line !== ''),
    payload: message.payload,
  };
}
