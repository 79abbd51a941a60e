/**
 * An atomic batch publish (ADR-50): messages are staged by the server and become visible together when the last one
 * carries the commit. At most 1,000 messages. A batch that is not committed leaves nothing.
 */
import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/nats-core';
import { BusError, errorText } from '../errors.ts';
import { apiCode, headerBlock, headersFromBytes } from '../nats/index.ts';

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
 * Publishes the batch; resolves with the stream sequence of its last message. E_PEER_BUSY when the stream is full,
 * E_CONFLICT when an expectation in the headers did not hold, E_NATS otherwise: then the outcome may be unknown.
 */
export async function publishBatch(nc: NatsConnection, messages: readonly BatchMessage[]): Promise<number> {
  const id = randomBytes(12).toString('hex');
  const last = messages.length;
  let number = 0;
  for (const { subject, headerLines, payload } of messages) {
    number += 1;
    const lines = `${headerLines}Nats-Batch-Id: ${id}\r\nNats-Batch-Sequence: ${number}\r\n`;
    if (number < last) nc.publish(subject, payload, { headers: headersFromBytes(headerBlock(lines)) });
    else return commit(nc, subject, payload, headerBlock(`${lines}Nats-Batch-Commit: 1\r\n`));
  }
  throw new BusError('E_INTERNAL', 'an empty batch was published');
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
