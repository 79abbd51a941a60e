/**
 * What the sidecars of a site take: at rest with a thousand flows, and while a backlog of ten million drains. The backlog is
 * watched for a minute and not to its end; what has arrived by then is consumed and compared with what was sent.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { say } from '../../demo/program.ts';
import { BusError } from '../../src/errors.ts';
import { pidsOf } from '../../src/lab/index.ts';
import { publishRaw } from '../../src/nats/index.ts';
import { type BusContender, startBus } from '../bus.ts';
import type { NatsRoute } from '../nats-route.ts';
import type { Part } from '../part.ts';
import { type Row, row } from '../rows.ts';
import { until } from '../wait.ts';

interface MemoryWork {
  topics: number;
  backlog: number;
  /** of the drain */
  watchMs: number;
}

interface Found {
  /** megabytes */
  idle: number;
  peak: number;
  /** messages that waited, and those of them that arrived while it was watched */
  backlog: number;
  arrived: number;
  wrong: number;
}

const full: MemoryWork = { topics: 1_000, backlog: 10_000_000, watchMs: 60_000 };
const quick: MemoryWork = { topics: 100, backlog: 300_000, watchMs: 10_000 };
const sites = ['near', 'far'];
const restMs = 10_000;
const pollMs = 250;
const quietMs = 2_000;
/** on a slow machine the backlog is what was published by then */
const fillMs = 150_000;
const messageBytes = 128;
const spare = 8 * 1024 ** 3;
/** one acknowledgement for so many; what is under way stays below the 10,000 that nats-server queues for a stream */
const chunk = 2_000;
const lanes = 3;
/** more than one flow has under way: what came before that has arrived or is lost */
const mostUnderWay = 100_000;

export const memoryPart: Part = {
  name: 'memory',
  run: async (bench) => {
    const work = bench.isQuick ? quick : full;
    const dir = join(bench.dir, 'memory');
    const names = Array.from({ length: work.topics - 1 }, (_, at) => ({ topic: `idle${at}` }));
    const topics = [{ topic: 'load' }, ...names];
    const bus = await startBus({ dir, topics, maxBytes: spare, readyMs: 600_000 });
    try {
      await delay(restMs);
      const idle = await largest(dir);
      say(`idle: ${Math.round(idle)} MB`);
      return rowsOf(work, { idle, ...(await drain(bus, dir, work)) });
    } finally {
      await bus.stop();
    }
  },
};

function rowsOf({ topics, watchMs }: MemoryWork, { idle, peak, backlog, arrived, wrong }: Found): Row[] {
  const count = (value: number): string => value.toLocaleString('en');
  const below = (limit: number) => ({ of: 'value', is: 'below', limit }) as const;
  return [
    row({
      work: `sidecar memory, ${count(topics)} flows, idle`,
      unit: 'MB resident',
      value: idle,
      target: below(200),
      note: `${restMs / 1_000} s after they were ready, the sidecar that has most`,
    }),
    row({
      work: `sidecar memory, a backlog of ${count(backlog)} x ${messageBytes} B drains`,
      unit: 'MB resident, peak',
      value: peak,
      target: below(400),
      wrong,
      note: `${count(arrived)} drained in the ${watchMs / 1_000} s that it was watched`,
    }),
  ];
}

async function drain(bus: BusContender, dir: string, work: MemoryWork): Promise<Omit<Found, 'idle'>> {
  const payloads = new Numbered();
  const route = await bus.route({ topic: 'load' });
  await bus.cut();
  const backlog = await fill(route.near, work.backlog, payloads);
  const peak = watchPeak(dir);
  await bus.restore();
  await until('first arrival', async () => (await route.arrived()) || undefined);
  const endMs = performance.now() + work.watchMs;
  while (performance.now() < endMs && (await route.arrived()) < backlog) await delay(pollMs);
  const most = await peak();
  await bus.cut();
  const wrong = await take(route, payloads, backlog);
  say(`${payloads.taken} of ${backlog} drained, peak ${Math.round(most)} MB`);
  return { peak: most, backlog, arrived: payloads.taken, wrong };
}

/** Messages by number; nothing in them repeats within reach of a compressor. */
class Numbered {
  readonly #pool = randomBytes(8 * 1024 * 1024);
  readonly #seen = new Set<number>();
  #highest = -1;
  #bad = 0;

  write(number: number, into: Buffer, at: number): void {
    into.writeUInt32BE(number, at);
    into.set(this.#rest(number), at + 4);
  }

  take(payload: Uint8Array): void {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    const number = bytes.length === messageBytes ? bytes.readUInt32BE(0) : -1;
    const isGenuine = number >= 0 && bytes.subarray(4).equals(this.#rest(number));
    if (!isGenuine || this.#seen.has(number)) this.#bad += 1;
    this.#seen.add(number);
    this.#highest = Math.max(this.#highest, number);
  }

  get taken(): number {
    return this.#seen.size;
  }

  /** Doubled, changed, or left out although what was sent much later is here. */
  wrong(backlog: number): number {
    const settled = this.#seen.size >= backlog ? backlog : Math.max(0, this.#highest - mostUnderWay);
    let missing = 0;
    for (let number = 0; number < settled; number++) if (!this.#seen.has(number)) missing += 1;
    return this.#bad + missing;
  }

  #rest(number: number): Buffer {
    const at = (number * 131) % (this.#pool.length - messageBytes);
    return this.#pool.subarray(at, at + messageBytes - 4);
  }
}

/**
 * Publishes ready protocol bytes, the last of each chunk with an acknowledgement: it says that all before it are stored.
 * Resolves with how many are, when time was up fewer than asked for.
 */
async function fill(nc: NatsConnection, most: number, payloads: Numbered): Promise<number> {
  const js = jetstream(nc);
  const startMs = performance.now();
  let [next, stored] = [0, 0];
  const lane = async (): Promise<void> => {
    while (next < most && performance.now() - startMs < fillMs) {
      const [first, last] = [next, Math.min(next + chunk, most) - 1];
      next = last + 1;
      publishRaw(nc, encodePublishes(first, last, payloads));
      const payload = Buffer.alloc(messageBytes);
      payloads.write(last, payload, 0);
      stored = Math.max(stored, (await js.publish('load', payload, { timeout: 60_000 })).seq);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  if (stored !== next) throw new BusError('E_INTERNAL', `bench: ${stored} of ${next} messages are stored`);
  say(`a backlog of ${stored} after ${Math.round((performance.now() - startMs) / 1_000)} s`);
  return stored;
}

/** As they go over the wire, without the last one. */
function encodePublishes(first: number, last: number, payloads: Numbered): Buffer {
  const head = `PUB load ${messageBytes}\r\n`;
  const bytes = Buffer.allocUnsafe((last - first) * (head.length + messageBytes + 2));
  let at = 0;
  for (let number = first; number < last; number++) {
    at += bytes.write(head, at, 'latin1');
    payloads.write(number, bytes, at);
    at += messageBytes;
    at += bytes.write('\r\n', at, 'latin1');
  }
  return bytes;
}

/** Consumes what has arrived; returns how much of it is wrong. */
async function take(route: NatsRoute, payloads: Numbered, backlog: number): Promise<number> {
  let lastMs = performance.now();
  const end = await route.listen((payload) => {
    payloads.take(payload);
    lastMs = performance.now();
  });
  while (payloads.taken < backlog && performance.now() - lastMs < quietMs) await delay(pollMs);
  await end();
  return payloads.wrong(backlog);
}

/** Resident megabytes of the sidecar that has most. */
async function largest(dir: string): Promise<number> {
  const pids = (await Promise.all(sites.map((site) => pidsOf(dir, site, 'sidecar')))).flat();
  const sizes = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, 'utf8')));
  return Math.max(...sizes.map((status) => Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024));
}

/** Watches until the function it returns is called, which resolves with the most there was. */
function watchPeak(dir: string): () => Promise<number> {
  let isOver = false;
  const watching = (async () => {
    let peak = 0;
    while (!isOver) {
      peak = Math.max(peak, await largest(dir));
      await delay(pollMs);
    }
    return peak;
  })();
  return () => {
    isOver = true;
    return watching;
  };
}
