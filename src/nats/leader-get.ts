/** Reads stored messages by sequence from a stream's leader, where a direct get might be answered by a copy that lags. */
import type { NatsConnection } from '@nats-io/nats-core';
import { BusError } from '../errors.ts';
import type { GetRequest, StoredMessage } from './direct-get.ts';
import { natsCall } from './errors.ts';

/** STREAM.MSG.GET of JetStream's API (ADR-31 names it as what a direct get is compared with) */
interface Answer {
  message?: { seq: number; subject: string; hdrs?: string; data?: string; time: string };
  error?: { err_code?: number; description?: string };
}

const noMessage = 10037;
const answerMs = 5_000;
const atOnce = 64;

/** In order; fewer than asked for at the stream's end. E_NATS */
export async function leaderGet(nc: NatsConnection, stream: string, request: GetRequest): Promise<StoredMessage[]> {
  const found: StoredMessage[] = [];
  let bytes = 0;
  // asked for by their numbers, many at once; a gap is jumped by asking for the next there is
  for (let seq = request.seq; found.length < request.batch; ) {
    const count = Math.min(atOnce, request.batch - found.length);
    const some = await Promise.all(Array.from({ length: count }, (_, at) => getOne(nc, stream, { seq: seq + at })));
    const next = some.every((one) => one === null)
      ? await getOne(nc, stream, { seq: seq + count, next_by_subj: '>' })
      : null;
    const got = [...some, next].filter((one) => one !== null);
    for (const message of got) {
      const size = (message.headers?.length ?? 0) + message.payload.length;
      if (found.length > 0 && bytes + size > request.max_bytes) return found;
      found.push(message);
      bytes += size;
    }
    if (got.length === 0) return found;
    seq = next === null ? seq + count : next.seq + 1;
  }
  return found;
}

async function getOne(nc: NatsConnection, stream: string, which: object): Promise<StoredMessage | null> {
  const subject = `$JS.API.STREAM.MSG.GET.${stream}`;
  const reply = await natsCall(`read ${stream}`, () =>
    nc.request(subject, JSON.stringify(which), { timeout: answerMs }),
  );
  const { message, error } = reply.json<Answer>();
  if (error?.err_code === noMessage) return null;
  if (message === undefined) throw new BusError('E_NATS', `read ${stream}: ${error?.description ?? 'no message'}`);
  const headers = message.hdrs === undefined ? null : Buffer.from(message.hdrs, 'base64');
  const lines = headers === null ? [] : headers.toString('latin1').split('\r\n');
  return {
    seq: message.seq,
    subject: message.subject,
    headers,
    payload: Buffer.from(message.data ?? '', 'base64'),
    storedAt: message.time,
    header: (name) => lines.findLast((line) => line.startsWith(`${name}: `))?.slice(name.length + 2),
  };
}
