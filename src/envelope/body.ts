/**
 * The body: the messages of one envelope in the order of their capture stream, before compression and sealing.
 *
 * A subject is kept as what follows its topic, so an opened body cannot name a subject outside the topic. Reading makes
 * views into the body; payloads are not copied. The decoder takes no wildcard, empty token, whitespace or control
 * character in a subject, no sequence twice, and nothing over the limits of wire.ts.
 */
import { printable } from '../config/names.ts';
import { BusError } from '../errors.ts';
import { ByteReader, ByteWriter } from './codec.ts';
import { FORMATS, MAX_BODY_BYTES, MAX_MESSAGES, MAX_SUBJECT_BYTES } from './wire.ts';

export interface BusMessage {
  /** sequence in the capture stream, from 1 */
  seq: number;
  /** `<topic>` or `<topic>.` and a literal suffix */
  subject: string;
  /** the raw NATS header block `NATS/1.0\r\n…\r\n\r\n` as the application sent it, unchecked; null without headers */
  headers: Uint8Array | null;
  payload: Uint8Array;
  /** time of capture, nanoseconds since 1970 */
  timeNs: bigint;
}

/** Most bytes that one message adds besides subject, headers and payload. */
const messageOverhead = 8 + 8 + 3 * 4;

/** Tokens of anything but `.`, `*`, `>`, whitespace and control characters; U+FFFD stands for bytes that were not UTF-8. */
const literalTokens = /^[^\s.*>\u0000-\u0020\u007f-\u009f\ufffd]+(\.[^\s.*>\u0000-\u0020\u007f-\u009f\ufffd]+)*$/u;

/** What follows `<topic>.` in a subject, empty for the bare topic, null when an envelope cannot carry the subject. */
export function subjectSuffix(topic: string, subject: string): string | null {
  if (subject === topic) return '';
  if (!subject.startsWith(topic) || subject[topic.length] !== '.') return null;
  const suffix = subject.slice(topic.length + 1);
  return isLiteralSuffix(suffix) && Buffer.byteLength(subject) <= MAX_SUBJECT_BYTES ? suffix : null;
}

/** How many bytes a message takes of a body at most. */
function messageSize(message: BusMessage): number {
  const subjectBytes = Buffer.byteLength(message.subject);
  return messageOverhead + subjectBytes + (message.headers?.length ?? 0) + message.payload.length;
}

/**
 * Encodes 1 to MAX_MESSAGES messages with strictly increasing sequences.
 * @throws E_ENVELOPE_BAD with `details.seq` of the message that an envelope cannot carry
 */
export function encodeBody(topic: string, messages: readonly BusMessage[], format = FORMATS.max): Buffer {
  if (messages.length === 0 || messages.length > MAX_MESSAGES) {
    throw new BusError('E_ENVELOPE_BAD', `a body takes 1 to ${MAX_MESSAGES} messages, not ${messages.length}`);
  }
  const size = messages.reduce((sum, message) => sum + messageSize(message), 16);
  if (size > MAX_BODY_BYTES) throw new BusError('E_ENVELOPE_BAD', `a body of ${size} bytes is over ${MAX_BODY_BYTES}`);
  const writer = new ByteWriter(size);
  writer.u8(format).varint(messages.length);
  let previous = 0;
  for (const message of messages) {
    writeMessage(writer, topic, message, previous);
    previous = message.seq;
  }
  return writer.finish();
}

function writeMessage(writer: ByteWriter, topic: string, message: BusMessage, previous: number): void {
  const suffix = subjectSuffix(topic, message.subject);
  if (suffix === null) throw badMessage(message, `subject ${printable(message.subject)} is not literal under ${topic}`);
  if (message.seq <= previous) throw badMessage(message, `sequence follows ${previous}`);
  if (message.headers?.length === 0) throw badMessage(message, 'an empty header block is null');
  writer.varint(message.seq - previous - 1).bigU63(message.timeNs);
  writer.text(suffix);
  if (message.headers) writer.sized(message.headers);
  else writer.u8(0);
  writer.sized(message.payload);
}

function badMessage(message: BusMessage, problem: string): BusError {
  return new BusError('E_ENVELOPE_BAD', `message ${message.seq} cannot be carried: ${problem}`, {
    details: { seq: message.seq },
  });
}

/** Headers and payloads are views into `body`. @throws E_ENVELOPE_BAD */
export function decodeBody(topic: string, body: Uint8Array): BusMessage[] {
  const reader = new ByteReader(body, 'envelope body');
  if (body.length > MAX_BODY_BYTES) reader.fail(`${body.length} bytes are over ${MAX_BODY_BYTES}`);
  reader.format();
  const count = reader.varint(MAX_MESSAGES);
  if (count === 0) reader.fail('it holds no message');
  const messages: BusMessage[] = [];
  let previous = 0;
  for (let index = 0; index < count; index++) {
    const message = readMessage(reader, topic, previous);
    messages.push(message);
    previous = message.seq;
  }
  reader.end();
  return messages;
}

function readMessage(reader: ByteReader, topic: string, previous: number): BusMessage {
  const seq = previous + 1 + reader.varint();
  if (!Number.isSafeInteger(seq)) reader.fail('a sequence is over 2^53-1');
  const timeNs = reader.bigU63();
  const suffix = reader.text(MAX_SUBJECT_BYTES);
  if (suffix !== '' && !isLiteralSuffix(suffix)) reader.fail('a subject is not literal');
  const subject = suffix === '' ? topic : `${topic}.${suffix}`;
  if (Buffer.byteLength(subject) > MAX_SUBJECT_BYTES) reader.fail('a subject is too long');
  const headers = reader.sized(MAX_BODY_BYTES);
  const payload = reader.sized(MAX_BODY_BYTES);
  return { seq, subject, headers: headers.length === 0 ? null : headers, payload, timeNs };
}

function isLiteralSuffix(suffix: string): boolean {
  return literalTokens.test(suffix);
}
