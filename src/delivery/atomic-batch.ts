/**
 * An atomic batch publish (ADR-50): messages are staged by the server and become visible together when the last one
 * carries the commit. At most 1,000 messages. A batch that is not committed leaves nothing.
 */
import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/nats-core';
import { BusError, errorText } from '../errors.ts';
import { apiCode, headerBlock, headersFromBytes, largestPayload, publishRaw } from '../nats/index.ts';

export interface BatchMessage {
  subject: string;
  /** ready header lines, each ending in CRLF */
  headerLines: string;
  payload: Uint8Array;
}

interface CommitReply {
  seq?: number;
  error?: { code: number; err_code?: number; description: string };
}

const commitTimeoutMs = 10_000;

/**
 * Publishes the batch under a name that its stored messages bear; resolves with the stream sequence of its last message. E_STREAM_FULL when the stream is full,
 * E_CONFLICT when an expectation in the headers did not hold, E_NATS otherwise: then the outcome may be unknown.
 */
export async function publishBatch(
  nc: NatsConnection,
  messages: readonly BatchMessage[],
  name = randomBytes(9).toString('base64url'),
): Promise<number> {
  const last = messages.at(-1);
  if (last === undefined) throw new BusError('E_INTERNAL', 'an empty batch was published');
  const idLine = `Nats-Batch-Id: ${name}\r\n`;
  if (messages.length > 1) publishRaw(nc, encodeStaged(messages.slice(0, -1), idLine, largestPayload(nc)));
  const lines = `${idLine}Nats-Batch-Sequence: ${messages.length}\r\nNats-Batch-Commit: 1\r\n${last.headerLines}`;
  return commit(nc, last.subject, last.payload, headerBlock(lines));
}

/**
 * The staged messages as they go over the wire, in one piece. The batch's own headers come first: the server looks for
 * them in every message, from the front.
 */
function encodeStaged(messages: readonly BatchMessage[], idLine: string, maxBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(messages.reduce((sum, message) => sum + wireBound(message), 0));
  let at = 0;
  for (const [index, { subject, headerLines, payload }] of messages.entries()) {
    const head = `NATS/1.0\r\n${idLine}Nats-Batch-Sequence: ${index + 1}\r\n${headerLines}\r\n`;
    const size = head.length + payload.length;
    if (size > maxBytes) throw new BusError('E_NATS', `a message of ${size} bytes is over the server's ${maxBytes}`);
    at += bytes.write(`HPUB ${subject} ${head.length} ${size}\r\n`, at);
    at += bytes.write(head, at, 'latin1');
    bytes.set(payload, at);
    at += payload.length;
    at += bytes.write('\r\n', at, 'latin1');
  }
  return bytes.subarray(0, at);
}

/** No message takes more: three bytes for each character of a subject, and the lines of the batch. */
function wireBound({ subject, headerLines, payload }: BatchMessage): number {
  return 3 * subject.length + headerLines.length + payload.length + 192;
}

async function commit(nc: NatsConnection, subject: string, payload: Uint8Array, headers: Uint8Array): Promise<number> {
  let reply: CommitReply;
  try {
    const message = await nc.request(subject, payload, {
      headers: headersFromBytes(headers),
      timeout: commitTimeoutMs,
    });
    reply = message.json<CommitReply>();
  } catch (error) {
    throw new BusError('E_NATS', `commit of a batch: ${errorText(error)}`, { cause: error });
  }
  const { error } = reply;
  if (error === undefined && reply.seq !== undefined) return reply.seq;
  const details = { apiCode: error?.err_code ?? 0 };
  const text = error?.description ?? 'no sequence in the reply';
  if (error?.err_code === apiCode.wrongLastSequence) throw new BusError('E_CONFLICT', text, { details });
  const isFull =
    error?.err_code === apiCode.maxBytes || error?.err_code === apiCode.storageExceeded || error?.code === 503;
  throw new BusError(isFull ? 'E_STREAM_FULL' : 'E_NATS', `commit of a batch: ${text}`, { details });
}
