/**
 * One to four hops on a line of five sites: throughput of a backlog, and what a steady trickle takes longer than within the
 * first site.
 *
 *   node bench/hops.ts [--quick] [--json]
 *
 *   s0 ── s1 ── s2 ── s3 ── s4     published at s0; topic hop<n> is consumed at s<n>
 *
 * The table goes to stdout, talk to stderr. Exit code 1 when a message was lost, doubled or changed.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { runProgram, say } from '../demo/program.ts';
import { columns } from '../demo/report.ts';
import { BusError, errorText } from '../src/errors.ts';
import { type LabInfo, labCut, labDown, labRestore, labUp } from '../src/lab/index.ts';
import { measure } from './measure.ts';

const customer = 'bench';
const group = 'far';
const maxHops = 4;
const messageBytes = 1024;
const perSecond = 200;

interface Sizes {
  backlog: number;
  trickle: number;
}

interface HopResult {
  hops: number;
  messagesPerSecond: number;
  /** publish to receipt by the consumer, milliseconds */
  p50Ms: number;
  p99Ms: number;
  /** the same less that of a consumer at the first site */
  addedP50Ms: number;
  addedP99Ms: number;
  wrong: number;
}

async function main(values: { quick: boolean; json: boolean }): Promise<number> {
  const sizes = values.quick ? { backlog: 20_000, trickle: 1_000 } : { backlog: 100_000, trickle: 6_000 };
  const parent = await mkdtemp(join(tmpdir(), 'mbus-hops-'));
  const dir = join(parent, 'lab');
  try {
    const lab = await labUp({ text: busFile(), fileName: 'hops', dir, progress: say });
    const results = await measureAll(lab, dir, sizes);
    const ok = results.every(({ wrong }) => wrong === 0);
    process.stdout.write(values.json ? `${JSON.stringify({ ok, results })}\n` : render(results));
    return ok ? 0 : 1;
  } finally {
    await labDown(dir, { keep: false }).catch((error: unknown) => say(errorText(error)));
    await rm(parent, { recursive: true, force: true });
  }
}

async function measureAll(lab: LabInfo, dir: string, sizes: Sizes): Promise<HopResult[]> {
  const near = await connectApp(lab, 'source');
  const results: HopResult[] = [];
  let base = { p50: 0, p99: 0 };
  for (let hops = 0; hops <= maxHops; hops++) {
    const far = await connectApp(lab, `sink${hops}`);
    const latency = await trickle(near, far, hops, sizes.trickle);
    if (hops === 0) base = latency;
    else results.push(await hopResult(dir, near, far, hops, sizes.backlog, latency, base));
    await far.close();
    say(`${hops} hops: p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`);
  }
  await near.close();
  return results;
}

interface Latency {
  p50: number;
  p99: number;
}

async function hopResult(
  dir: string,
  near: NatsConnection,
  far: NatsConnection,
  hops: number,
  backlog: number,
  latency: Latency,
  base: Latency,
): Promise<HopResult> {
  const link = { customer, a: 's0', b: 's1' };
  const measured = await measure(
    {
      topic: `load${hops}`,
      group,
      near,
      far,
      hold: async () => {
        await labCut(dir, link);
      },
      start: async () => {
        await labRestore(dir, link);
      },
      close: async () => undefined,
    },
    messageBytes,
    backlog,
  );
  return {
    hops,
    messagesPerSecond: Math.round(measured.messagesPerSecond),
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    addedP50Ms: latency.p50 - base.p50,
    addedP99Ms: latency.p99 - base.p99,
    wrong: measured.wrong,
  };
}

/** Publishes at a steady rate with the time in the payload; both ends are this process, so one clock measures. */
async function trickle(near: NatsConnection, far: NatsConnection, hops: number, count: number): Promise<Latency> {
  const topic = `hop${hops}`;
  const took: number[] = [];
  const consumer = await jetstream(far).consumers.get(`${topic}@${group}`, group);
  const messages = await consumer.consume({ max_messages: 500 });
  const reading = (async () => {
    for await (const message of messages) {
      took.push(performance.now() - Buffer.from(message.data).readDoubleBE(0));
      message.ack();
      if (took.length === count) break;
    }
  })();
  await publishSteadily(near, topic, count);
  const isAll = await Promise.race([reading.then(() => true), delay(30_000, false)]);
  await messages.close();
  if (!isAll) throw new BusError('E_TIMEOUT', `bench: ${took.length} of ${count} messages came over ${hops} hops`);
  const sorted = took.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

async function publishSteadily(near: NatsConnection, topic: string, count: number): Promise<void> {
  const js = jetstream(near);
  const startMs = performance.now();
  const acks: Promise<unknown>[] = [];
  for (let n = 0; n < count; n++) {
    const dueMs = startMs + (n * 1000) / perSecond;
    if (dueMs > performance.now()) await delay(dueMs - performance.now());
    const payload = Buffer.alloc(messageBytes);
    payload.writeDoubleBE(performance.now(), 0);
    acks.push(js.publish(topic, payload));
  }
  await Promise.all(acks);
}

function busFile(): string {
  const sites = Array.from({ length: maxHops + 1 }, (_, n) => `s${n}`);
  const topics = sites.flatMap((site, n) =>
    [`hop${n}`, `load${n}`].map((name) => ({ name, groups: [{ name: group, terminals: [site] }] })),
  );
  const links = sites.slice(1).map((site, n) => ({ between: [sites[n], site], compress: 'never' }));
  const source = { name: 'source', terminal: 's0', publish: topics.map(({ name }) => name) };
  const sinks = sites.map((terminal, n) => ({
    name: `sink${n}`,
    terminal,
    consume: [`hop${n}@${group}`, `load${n}@${group}`],
  }));
  return JSON.stringify({
    sites: sites.map((name) => ({ name, mode: 'server', address: `${name}.example.net:7422` })),
    customers: [{ name: customer, terminals: sites, links, topics, apps: [source, ...sinks] }],
  });
}

async function connectApp(lab: LabInfo, app: string): Promise<NatsConnection> {
  const access = lab.apps[`${customer}/${app}`];
  if (!access) throw new BusError('E_INTERNAL', `the lab has no application ${app}`);
  const authenticator = credsAuthenticator(await readFile(access.creds));
  return connect({ servers: access.nats, authenticator, maxReconnectAttempts: -1, name: app });
}

function render(results: HopResult[]): string {
  const head = ['hops', 'msg/s', 'p50 ms', 'p99 ms', 'added p50', 'added p99', 'wrong'];
  const rows = results.map((r) => [
    `${r.hops}`,
    r.messagesPerSecond.toLocaleString('en'),
    ...[r.p50Ms, r.p99Ms, r.addedP50Ms, r.addedP99Ms].map((ms) => ms.toFixed(1)),
    `${r.wrong}`,
  ]);
  const text = `messages of ${messageBytes} bytes; latency at ${perSecond} a second, added to that within one site`;
  return `${columns([head, ...rows]).join('\n')}\n\n${text}\n`;
}

await runProgram({
  name: 'bench',
  usage: 'Usage: node bench/hops.ts [--quick] [--json]\n',
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  run: main,
});
