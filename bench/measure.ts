/**
 * One measurement: a backlog waits at the near end, is let go, and is counted and hashed at the far end.
 *
 * The clock runs from the first sight of messages in the far stream to the last one, so neither start-up nor reconnect
 * counts, for either contender. What arrives is read by an ordinary consumer and compared with what was sent.
 */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Consumer, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { BusError } from '../src/errors.ts';

/** A way from a near stream to a far group, of either contender. */
export interface Route {
  topic: string;
  group: string;
  near: NatsConnection;
  far: NatsConnection;
  /** nothing crosses until start() */
  hold(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface Measurement {
  messagesPerSecond: number;
  megabytesPerSecond: number;
  /** lost, doubled or changed at the far side: must be 0 */
  wrong: number;
}

const publishWindow = 256;
/** 500 of 16 KB stay far below what the server holds for one connection */
const readBatch = 500;
const pollMs = 5;
const patienceMs = 60_000;

export async function measure(route: Route, messageBytes: number, count: number): Promise<Measurement> {
  await route.hold();
  const sent = await publishBacklog(route, messageBytes, count);
  await route.start();
  const consumer = await consumerOf(route);
  const { seconds, counted } = await timeArrival(consumer, count);
  const wrong = await compare(consumer, sent, count);
  const messagesPerSecond = counted / seconds;
  return { messagesPerSecond, megabytesPerSecond: (messagesPerSecond * messageBytes) / 1e6, wrong };
}

/** SHA-256 over all payloads, order left out: sum of the first eight bytes of the digests, and the numbers seen. */
class Fingerprint {
  #sum = 0n;
  #ids = new Set<number>();
  count = 0;

  add(payload: Uint8Array): void {
    const digest = createHash('sha256').update(payload).digest();
    this.#sum += digest.readBigUInt64BE(0);
    this.#ids.add(Buffer.from(payload.buffer, payload.byteOffset, 4).readUInt32BE(0));
    this.count += 1;
  }

  get text(): string {
    return `${this.#ids.size} ${this.#sum}`;
  }

  /** different message numbers seen */
  get distinct(): number {
    return this.#ids.size;
  }
}

async function publishBacklog(route: Route, messageBytes: number, count: number): Promise<Fingerprint> {
  const js = jetstream(route.near);
  const sent = new Fingerprint();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let number = next++; number < count; number = next++) {
      const payload = randomBytes(messageBytes);
      payload.writeUInt32BE(number, 0);
      sent.add(payload);
      await js.publish(route.topic, payload, { timeout: 10_000 });
    }
  };
  await Promise.all(Array.from({ length: publishWindow }, lane));
  return sent;
}

async function consumerOf(route: Route): Promise<Consumer> {
  const js = jetstream(route.far);
  return until(`consumer of ${route.topic}@${route.group}`, async () =>
    js.consumers.get(`${route.topic}@${route.group}`, route.group).catch(() => undefined),
  );
}

/** Polls what the far stream holds; the first sight starts the clock. */
async function timeArrival(consumer: Consumer, count: number): Promise<{ seconds: number; counted: number }> {
  const pending = async (): Promise<number> => (await consumer.info()).num_pending;
  const first = await until('first arrival', async () => (await pending()) || undefined);
  const startMs = performance.now();
  if (first >= count) throw new BusError('E_INTERNAL', 'the backlog is too small to measure: all of it came at once');
  await until('last arrival', async () => ((await pending()) >= count ? true : undefined));
  return { seconds: (performance.now() - startMs) / 1000, counted: count - first };
}

/** Reads everything; returns how many messages are lost, doubled or changed. */
async function compare(consumer: Consumer, sent: Fingerprint, count: number): Promise<number> {
  const got = new Fingerprint();
  while (got.count < count) {
    const batch = await consumer.fetch({ max_messages: readBatch, expires: 2000 });
    const before = got.count;
    for await (const message of batch) {
      got.add(message.data);
      message.ack();
    }
    if (got.count === before) break;
  }
  const extra = (await consumer.info()).num_pending;
  const missing = count - got.distinct;
  const doubled = got.count - got.distinct + extra;
  return missing + doubled || (got.text === sent.text ? 0 : 1);
}

async function until<T>(what: string, check: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const value = await check();
    if (value !== undefined) return value;
    if (performance.now() > deadlineMs)
      throw new BusError('E_TIMEOUT', `bench: no ${what} within ${patienceMs / 1000} s`);
    await delay(pollMs);
  }
}
