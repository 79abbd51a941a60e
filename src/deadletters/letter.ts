/**
 * A message that found its end, as its dead-letter stream keeps it: payload and the application's own headers as they
 * were, and beside them in `Mb-*` headers why it is there, where it came from and how often it was delivered.
 */
import { printable } from '../config/names.ts';
import { subjectSuffix } from '../envelope/index.ts';
import { filterHeaders, type StoredMessage } from '../nats/index.ts';

/**
 * maxDeliver: delivered as often as its group allows, never acknowledged · subject: no envelope can hold its subject ·
 * gone: the terminal it was for does not serve the group any more
 */
export type DeathReason = 'maxDeliver' | 'subject' | 'gone';

/** What a list says of a dead letter; nothing that only sender and receiver may read. */
export interface LetterRow {
  /** in the dead-letter stream */
  seq: number;
  reason: string;
  /** terminal and sequence where it was published; null where that is not known */
  originId: string | null;
  originSeq: number | null;
  /** RFC 3339: published, and found dead */
  publishedAt: string;
  diedAt: string;
  deliveries: number;
  /** bytes of headers and payload */
  size: number;
}

/** The subject a dead letter is kept under, and the header lines it has until it is tried once more. */
export function dressLetter(
  topic: string,
  subject: string,
  reason: DeathReason,
  deliveries: number,
): { subject: string; lines: string } {
  const isLiteral = subjectSuffix(topic, subject) !== null;
  const subjectLine = isLiteral ? '' : `Mb-Subject: ${subjectText(subject)}\r\n`;
  const lines = `Mb-Reason: ${reason}\r\nMb-Deliveries: ${deliveries}\r\n${subjectLine}`;
  return { subject: isLiteral ? subject : topic, lines };
}

/**
 * A stored message's header lines without what servers added: the application's own, and what the bus says of its way.
 * `ownerId` is the terminal whose capture stream fed the stream it lies in.
 */
export function wayLines(message: StoredMessage, ownerId: string): string {
  const { lines, msgId } = filterHeaders(message.headers);
  // only what the server itself brought from this LAN bears its source; the rest came through delivery
  const source = message.header('Nats-Stream-Source');
  const isLocal = source !== undefined || message.header('Mb-Time') === undefined;
  const sourceSeq = source?.split(' ')[1] ?? String(message.seq);
  const id = isLocal ? msgId : message.header('Mb-Msg-Id');
  const time = isLocal ? message.storedAt : message.header('Mb-Time');
  const origin = isLocal ? `${ownerId} ${sourceSeq}` : message.header('Mb-Origin');
  const line = (name: string, value: string | null | undefined): string => (value ? `${name}: ${value}\r\n` : '');
  return lines + line('Mb-Time', time) + line('Mb-Origin', origin) + line('Mb-Msg-Id', id);
}

export function letterRow(message: StoredMessage): LetterRow {
  const [originId = null, originSeq = null] = message.header('Mb-Origin')?.split(' ') ?? [];
  return {
    seq: message.seq,
    reason: message.header('Mb-Reason') ?? 'unknown',
    originId,
    originSeq: originSeq === null ? null : Number(originSeq),
    publishedAt: message.header('Mb-Time') ?? message.storedAt,
    diedAt: message.storedAt,
    deliveries: Number(message.header('Mb-Deliveries') ?? 0),
    size: (message.headers?.length ?? 0) + message.payload.length,
  };
}

/** One line of printable text, whatever bytes an application published under. */
function subjectText(subject: string): string {
  return encodeURIComponent(printable(subject)).slice(0, 1_024);
}
