/**
 * Reads stored messages by sequence, past any consumer: a work queue allows no second one. ADR-31 (direct get, batches).
 *
 * Header lines of the server come last in a direct get, and only those count: an application may name its own alike.
 */
import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core';
import { BusError } from '../errors.ts';
import { natsCall } from './errors.ts';
import { leaderGet } from './leader-get.ts';
import { rawHeaders, statusCode } from './raw-headers.ts';
import { isClustered } from './replicas.ts';

export interface StoredMessage {
  seq: number;
  subject: string;
  /** raw header block as stored, with what the server added behind it; null without any */
  headers: Uint8Array | null;
  payload: Uint8Array;
  /** when the stream stored it, RFC 3339 */
  storedAt: string;
  /** the last header line of that name */
  header(name: string): string | undefined;
}

export interface GetRequest {
  /** first sequence that counts */
  seq: number;
  /** at most so many messages */
  batch: number;
  /** and about so many bytes */
  max_bytes: number;
}

const replyTimeoutMs = 5_000;

/** One direct get; ends with the server's 204, or its 404 when there is nothing. In a cluster the leader is asked. E_NATS */
export async function directGet(nc: NatsConnection, stream: string, request: GetRequest): Promise<StoredMessage[]> {
  return isClustered(nc)
    ? leaderGet(nc, stream, request)
    : natsCall(`read ${stream}`, () => collect(nc, stream, request));
}

function collect(nc: NatsConnection, stream: string, request: GetRequest): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = [];
  const inbox = createInbox();
  const { promise, resolve, reject } = Promise.withResolvers<StoredMessage[]>();
  const take = (reply: Msg): void => {
    const status = statusCode(reply);
    if (status === 204 || status === 404) resolve(messages);
    else if (status === 0) messages.push(toStored(reply, stream));
    else throw new BusError('E_NATS', `read ${stream}: status ${status}`);
  };
  const callback = (error: Error | null, reply: Msg): void => {
    try {
      if (error !== null) throw error;
      take(reply);
    } catch (problem) {
      reject(problem);
    }
  };
  const subscription = nc.subscribe(inbox, { callback });
  const timer = setTimeout(
    () => reject(new BusError('E_NATS', `read ${stream}: the answer ended early`)),
    replyTimeoutMs,
  );
  nc.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply: inbox });
  return promise.finally(() => {
    clearTimeout(timer);
    subscription.unsubscribe();
  });
}

function toStored(reply: Msg, stream: string): StoredMessage {
  const headers = rawHeaders(reply);
  const lines = headers === null ? [] : Buffer.from(headers).toString('latin1').split('\r\n');
  const header = (name: string): string | undefined =>
    lines.findLast((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const seq = Number(header('Nats-Sequence'));
  const subject = Buffer.from(header('Nats-Subject') ?? '', 'latin1').toString('utf8');
  const storedAt = header('Nats-Time-Stamp');
  if (!Number.isSafeInteger(seq) || subject === '' || storedAt === undefined) {
    throw new BusError('E_NATS', `read ${stream}: a message without its place`);
  }
  return { seq, subject, headers, payload: reply.data, storedAt, header };
}
