/**
 * Reads and deletes a group stream's messages by sequence, past its durable, which is paused meanwhile.
 *
 * What the bus added on arrival (capture time, the application's own message id) is read back, so a moved message
 * arrives as it would have on its first way.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { CapturedMessage } from '../capture/index.ts';
import { subjectSuffix } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { directGet, filterHeaders, headerBlock, natsCall, parseTime, type StoredMessage } from '../nats/index.ts';

export interface ReadRequest {
  stream: string;
  topic: string;
  /** first sequence that counts */
  from: number;
  /** last sequence that counts */
  until: number;
  maxMessages: number;
  /** at most this many bytes of headers and payload, but always one message */
  maxBytes: number;
}

const replyTimeoutMs = 5_000;
const deletesAtOnce = 128;

/** Messages of the topic in order, from `from` on; markers, and what an envelope cannot carry, are passed over. */
export async function readBacklog(nc: NatsConnection, request: ReadRequest): Promise<CapturedMessage[]> {
  const { stream, topic, until, maxMessages, maxBytes } = request;
  const found: CapturedMessage[] = [];
  let bytes = 0;
  for (let from = request.from; from <= until; ) {
    const got = await directGet(nc, stream, { seq: from, batch: maxMessages, max_bytes: maxBytes });
    for (const stored of got) {
      from = stored.seq + 1;
      if (stored.seq > until || subjectSuffix(topic, stored.subject) === null) continue;
      const message = toCaptured(stored);
      if (found.length > 0 && bytes + message.size > maxBytes) return found;
      found.push(message);
      bytes += message.size;
      if (found.length === maxMessages) return found;
    }
    if (got.length === 0 || (found.length > 0 && bytes >= maxBytes / 2)) break;
  }
  return found;
}

/** Deletes messages; one that is not there any more is fine. E_NATS when some are left. */
export async function deleteBacklog(nc: NatsConnection, stream: string, seqs: readonly number[]): Promise<void> {
  const waiting = [...seqs];
  const failed: string[] = [];
  const work = async (): Promise<void> => {
    for (let seq = waiting.shift(); seq !== undefined; seq = waiting.shift()) {
      const problem = await deleteOne(nc, stream, seq);
      if (problem !== null) failed.push(problem);
    }
  };
  await Promise.all(Array.from({ length: Math.min(deletesAtOnce, seqs.length) }, work));
  if (failed.length > 0) throw new BusError('E_NATS', `${failed.length} messages of ${stream} stay: ${failed[0]}`);
}

/** Null when it is gone. */
async function deleteOne(nc: NatsConnection, stream: string, seq: number): Promise<string | null> {
  const subject = `$JS.API.STREAM.MSG.DELETE.${stream}`;
  const reply = await natsCall(`delete from ${stream}`, () =>
    nc.request(subject, JSON.stringify({ seq, no_erase: true }), { timeout: replyTimeoutMs }),
  );
  const { success, error } = reply.json<{ success?: boolean; error?: { description?: string; err_code?: number } }>();
  if (success === true) return null;
  const [left] = await directGet(nc, stream, { seq, batch: 1, max_bytes: 1_024 });
  return left?.seq === seq ? (error?.description ?? 'not deleted') : null;
}

/** As an origin's message, so that a moved one arrives as it would have on its first way. */
function toCaptured({ seq, subject, headers: block, payload, storedAt, header }: StoredMessage): CapturedMessage {
  // only what the server itself brought from this LAN bears its source; the rest came through delivery
  const isArrival = header('Nats-Stream-Source') === undefined;
  const { lines: own, msgId } = filterHeaders(block);
  const id = isArrival ? (header('Mb-Msg-Id') ?? null) : msgId;
  const idLine = id === null ? '' : `Nats-Msg-Id: ${id}\r\n`;
  const headers = own === '' && idLine === '' ? null : headerBlock(own + idLine);
  const timeNs = parseTime((isArrival ? header('Mb-Time') : undefined) ?? storedAt);
  const size = (headers?.length ?? 0) + payload.length;
  return { seq, subject, headers, payload, timeNs, ackSubject: '', size };
}
