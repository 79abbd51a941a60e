/**
 * One to four hops on a line of five sites: what a steady stream of 1,000 messages a second takes longer than within the
 * first site, and the throughput of a backlog.
 *
 *   s0 ── s1 ── s2 ── s3 ── s4     published at s0; topic hop<n> is consumed at s<n>
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { say } from '../../demo/program.ts';
import { type LabInfo, labCut, labDown, labRestore, labUp } from '../../src/lab/index.ts';
import { connectApp } from '../bus.ts';
import type { Contender, Route } from '../contender.ts';
import { randomLoad } from '../loads.ts';
import { type Measurement, measure } from '../measure.ts';
import { natsRoute } from '../nats-route.ts';
import type { Bench, Part } from '../part.ts';
import { median, quantile, type Row, row } from '../rows.ts';

const customer = 'bench';
const group = 'far';
const maxHops = 4;
const messageBytes = 1_024;
const perSecond = 1_000;
const patienceMs = 30_000;
const firstLink = { customer, a: 's0', b: 's1' };
/** at the start of each latency run, not counted */
const warmUp = 500;

/** Publish to receipt by the consumer, milliseconds. */
interface Latency {
  p50: number;
  p99: number;
  wrong: number;
}

export const hopsPart: Part = {
  name: 'hops',
  run: async (bench) => {
    const dir = join(bench.dir, 'line');
    try {
      const lab = await labUp({ text: busFile(), fileName: 'hops', dir, progress: say });
      const near = await connectApp(lab, `${customer}/source`);
      const far = await sinks(lab);
      const rows = [...(await latencyRows(bench, near, far)), ...(await throughputRows(bench, dir, near, far))];
      await Promise.all([near, ...far].map((nc) => nc.close()));
      return rows;
    } finally {
      await labDown(dir, { keep: false });
    }
  },
};

function sinks(lab: LabInfo): Promise<NatsConnection[]> {
  return Promise.all(Array.from({ length: maxHops + 1 }, (_, hops) => connectApp(lab, `${customer}/sink${hops}`)));
}

async function latencyRows(bench: Bench, near: NatsConnection, far: readonly NatsConnection[]): Promise<Row[]> {
  const rounds = bench.isQuick ? 1 : 2;
  const runs: Latency[][] = far.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    for (const [hops, sink] of far.entries()) {
      const latency = await trickle(near, sink, `hop${hops}`, bench.isQuick ? 1_000 : 5_000);
      runs[hops]?.push(latency);
      say(`latency over ${hops} hops: p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`);
    }
  }
  const added = (hops: number, of: 'p50' | 'p99', over = 0): number =>
    median((runs[hops] ?? []).map((each, round) => each[of] - (runs[over]?.[round]?.[of] ?? 0)));
  const wrong = runs.flat().reduce((sum, each) => sum + each.wrong, 0);
  const work = `${perSecond} msg/s of ${messageBytes} B, added to delivery within the site`;
  const below = (limit: number) => ({ of: 'value', is: 'below', limit }) as const;
  return [
    row({ work: `one hop, ${work}, p50`, unit: 'ms', value: added(1, 'p50'), target: below(3), wrong }),
    row({ work: `one hop, ${work}, p99`, unit: 'ms', value: added(1, 'p99'), target: below(10) }),
    row({
      work: `each further hop, ${work}, p50`,
      unit: 'ms',
      value: added(maxHops, 'p50', 1) / (maxHops - 1),
      target: below(1.5),
      note: `p50 of delivery within the site ${median((runs[0] ?? []).map(({ p50 }) => p50)).toFixed(1)} ms`,
    }),
  ];
}

/** Publishes at a steady rate with the time in the payload; both ends are this process, so one clock measures. */
async function trickle(near: NatsConnection, far: NatsConnection, topic: string, count: number): Promise<Latency> {
  const route = natsRoute({ topic, groups: [group], near, far }, idle);
  const took = new Map<number, number>();
  let received = 0;
  const end = await route.listen((payload) => {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    received += 1;
    took.set(bytes.readUInt32BE(8), performance.now() - bytes.readDoubleBE(0));
  });
  await publishSteadily(route, count + warmUp);
  const deadlineMs = performance.now() + patienceMs;
  while (took.size < count + warmUp && performance.now() < deadlineMs) await delay(20);
  await end();
  const lost = count + warmUp - took.size;
  const measured = [...took].filter(([number]) => number >= warmUp).map(([, ms]) => ms);
  return { p50: quantile(measured, 0.5), p99: quantile(measured, 0.99), wrong: lost + (received - took.size) };
}

async function publishSteadily(route: Pick<Route, 'publish'>, count: number): Promise<void> {
  const startMs = performance.now();
  const acks: Promise<unknown>[] = [];
  for (let n = 0; n < count; n++) {
    const dueMs = startMs + (n * 1_000) / perSecond;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
    const payload = Buffer.alloc(messageBytes);
    payload.writeDoubleBE(performance.now(), 0);
    payload.writeUInt32BE(n, 8);
    acks.push(route.publish(payload));
  }
  await Promise.all(acks);
}

const idle = { hold: async () => undefined, start: async () => undefined, close: async () => undefined };

/** One hop and four, in turns. */
async function throughputRows(
  bench: Bench,
  dir: string,
  near: NatsConnection,
  far: readonly NatsConnection[],
): Promise<Row[]> {
  const load = randomLoad(messageBytes, bench.isQuick ? 10_000 : 60_000);
  const runs: Record<number, Measurement[]> = { 1: [], [maxHops]: [] };
  for (let round = 1; round <= (bench.isQuick ? 1 : 2); round++) {
    for (const hops of [1, maxHops]) {
      const sink = far[hops];
      if (sink === undefined) continue;
      const measured = await measure(lineContender(dir, near, sink), load, { topic: `load${hops}` });
      runs[hops]?.push(measured);
      say(`backlog over ${hops} hops: ${Math.round(measured.messagesPerSecond)} msg/s`);
    }
  }
  const rate = (hops: number): number => median((runs[hops] ?? []).map((each) => each.messagesPerSecond));
  return [
    row({
      work: `${maxHops} hops, free links, ${messageBytes} B`,
      unit: 'msg/s',
      value: rate(maxHops),
      peer: 'one hop',
      peerValue: rate(1),
      ratio: rate(maxHops) / rate(1),
      target: { of: 'ratio', is: 'atLeast', limit: 0.6 },
      wrong: Object.values(runs)
        .flat()
        .reduce((sum, { wrong }) => sum + wrong, 0),
      note: 'two cores for all: each hop is a nats-server and a sidecar more on them',
    }),
  ];
}

/** The line as a contender from its first site to one of the others; its first link holds everything back. */
function lineContender(dir: string, near: NatsConnection, far: NatsConnection): Contender {
  const cut = async (): Promise<void> => void (await labCut(dir, firstLink));
  const restore = async (): Promise<void> => void (await labRestore(dir, firstLink));
  return {
    name: 'bus',
    route: async ({ topic }) =>
      natsRoute({ topic, groups: [group], near, far }, { hold: cut, start: restore, close: async () => undefined }),
    shape: async () => undefined,
    cut,
    restore,
    linkBytes: async () => 0,
    stop: async () => undefined,
  };
}

function busFile(): string {
  const sites = Array.from({ length: maxHops + 1 }, (_, n) => `s${n}`);
  const topics = sites.flatMap((site, n) =>
    [`hop${n}`, `load${n}`].map((name) => ({ name, groups: [{ name: group, terminals: [site] }] })),
  );
  const links = sites.slice(1).map((site, n) => ({ between: [sites[n], site] }));
  const source = { name: 'source', terminal: 's0', publish: topics.map(({ name }) => name) };
  const consumers = sites.map((terminal, n) => ({
    name: `sink${n}`,
    terminal,
    consume: [`hop${n}@${group}`, `load${n}@${group}`],
  }));
  return JSON.stringify({
    sites: sites.map((name) => ({ name, mode: 'server', address: `${name}.example.net:7422`, durability: 'process' })),
    customers: [{ name: customer, terminals: sites, links, topics, apps: [source, ...consumers] }],
  });
}
