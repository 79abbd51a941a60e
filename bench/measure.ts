/**
 * One measurement of throughput: a backlog waits at the near end, is let go, and is counted and hashed at the far end.
 *
 * The clock runs from the first sight of messages at the far side to the last one, so neither start-up nor reconnect
 * counts, for any contender. What arrives is then taken by ordinary consumers and compared with what was sent.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { BusError } from '../src/errors.ts';
import type { ShapeOptions } from '../src/lab/index.ts';
import type { Contender, Route, RouteOptions } from './contender.ts';
import { until } from './wait.ts';

export interface Load {
  count: number;
  payloads(): Iterable<Buffer>;
}

export interface Measurement {
  messagesPerSecond: number;
  /** of payloads, of one group */
  megabitsPerSecond: number;
  /** that crossed the link, for one byte of payload */
  linkBytesPerByte: number;
  /** lost, doubled or changed at the far side: must be 0 */
  wrong: number;
}

export interface Conditions extends RouteOptions {
  shape?: ShapeOptions;
}

const quietMs = 5_000;
const extraMs = 100;
const arrivalPatienceMs = 180_000;

/** Lets the load cross the contender's link, under the shape when one is given. */
export async function measure(contender: Contender, load: Load, conditions: Conditions): Promise<Measurement> {
  const route = await contender.route(conditions);
  try {
    await route.hold();
    const sent = new Fingerprint();
    await route.fill(noted(load.payloads(), sent));
    await contender.shape(conditions.shape ?? {});
    const linkBytes = await contender.linkBytes();
    await route.start();
    const { seconds, counted } = await timeArrival(route, load.count);
    const crossed = (await contender.linkBytes()) - linkBytes;
    await contender.shape({});
    const wrong = await compare(route, sent, conditions.groups ?? 1);
    const messagesPerSecond = counted / seconds;
    const meanBytes = sent.bytes / sent.count;
    return {
      messagesPerSecond,
      megabitsPerSecond: (messagesPerSecond * meanBytes * 8) / 1e6,
      linkBytesPerByte: crossed / sent.bytes,
      wrong,
    };
  } finally {
    await contender.shape({}).catch(() => undefined);
    await route.close();
  }
}

/** SHA-256 over all payloads, order left out: count, and sum of the first eight bytes of the digests. */
export class Fingerprint {
  #sum = 0n;
  count = 0;
  bytes = 0;

  add(payload: Uint8Array): void {
    const digest = createHash('sha256').update(payload).digest();
    this.#sum = BigInt.asUintN(64, this.#sum + digest.readBigUInt64BE(0));
    this.count += 1;
    this.bytes += payload.length;
  }

  /** How many messages are too many or too few; 1 when the number is right and the content is not. */
  wrongAgainst(sent: Fingerprint): number {
    return Math.abs(this.count - sent.count) || (this.#sum === sent.#sum ? 0 : 1);
  }
}

function* noted(payloads: Iterable<Buffer>, sent: Fingerprint): Generator<Buffer> {
  for (const payload of payloads) {
    sent.add(payload);
    yield payload;
  }
}

/** Polls what the far side holds; the first sight starts the clock. */
async function timeArrival(route: Route, count: number): Promise<{ seconds: number; counted: number }> {
  const first = await until('first arrival', async () => (await route.arrived()) || undefined);
  const startMs = performance.now();
  if (first >= count) throw new BusError('E_INTERNAL', 'the backlog is too small to measure: all of it came at once');
  const isAll = async (): Promise<true | undefined> => ((await route.arrived()) >= count ? true : undefined);
  await until('last arrival', isAll, { patienceMs: arrivalPatienceMs });
  return { seconds: (performance.now() - startMs) / 1000, counted: count - first };
}

/** Takes everything of every group; returns how many messages are lost, doubled or changed. */
async function compare(route: Route, sent: Fingerprint, groups: number): Promise<number> {
  const got = Array.from({ length: groups }, () => new Fingerprint());
  let lastMs = performance.now();
  const end = await route.listen((payload, group) => {
    got[group]?.add(payload);
    lastMs = performance.now();
  });
  const isAll = (): boolean => got.every(({ count }) => count >= sent.count);
  while (!isAll() && performance.now() - lastMs < quietMs) await delay(5);
  await delay(extraMs);
  await end();
  return got.reduce((wrong, each) => wrong + each.wrongAgainst(sent), 0);
}
