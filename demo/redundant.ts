/**
 * A site on three nats-servers with two sidecars, spoiled while applications publish and consume:
 *
 *   tokyo (3 servers, 2 sidecars) ══ frankfurt      trade: tokyo to a group at frankfurt and one at tokyo
 *                                                   order: frankfurt to a group at tokyo
 *
 * The server that leads the stream of trade is killed and comes back, then the sidecar at work is killed, then it is stopped
 * for ten seconds. Prints what the clients' ledger says, and how long each took to be taken over.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { BusError } from '../src/errors.ts';
import { type LabInfo, labDown, labKill, labPause, labResume, labStart, labUp, pidsOf } from '../src/lab/index.ts';
import { openCustomer } from '../src/site/index.ts';
import { runProgram, say, wholeNumber } from './program.ts';
import { GroupLedger, type GroupResult, type Publisher, startConsumer, startPublisher } from './redundant-load.ts';

const usage = `Usage: npm run redundant [-- --rate 100] [--json]

  --rate N   messages a second of each of two publishers (default: 100)
  --keep     leave the lab's directory behind
  --json     print one JSON document on stdout
  --help     this text
`;

const busFile = `
sites:
  - {name: tokyo, mode: server, address: "tokyo.example.net:7422", servers: 3, sidecars: 2}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links: [{between: [tokyo, frankfurt]}]
    topics:
      - name: trade
        groups: [{name: risk, terminals: [frankfurt]}, {name: audit, terminals: [tokyo]}]
      - name: order
        groups: [{name: desk, terminals: [tokyo]}]
    apps:
      - {name: tokyo-app, terminal: tokyo, publish: [trade], consume: [trade@audit, order@desk]}
      - {name: frankfurt-app, terminal: frankfurt, publish: [order], consume: [trade@risk]}
`;

const interrupted = new AbortController();
const site = 'tokyo';
const stoppedMs = 10_000;
const patienceMs = 120_000;

interface Fault {
  what: string;
  /** until another sidecar was at work and ready; absent where a server was killed */
  takeoverMs?: number;
  /** longest time without a confirmation, and without a delivery by group, from the fault to its end */
  gapsMs: Record<string, number>;
}

interface Outcome {
  ok: boolean;
  confirmed: Record<string, number>;
  groups: Record<string, GroupResult>;
  faults: Fault[];
}

interface Running {
  dir: string;
  info: LabInfo;
  publishers: Record<string, Publisher>;
  groups: Record<string, GroupLedger>;
}

async function until<T>(what: string, check: () => Promise<T | undefined | false>, ms = patienceMs): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    interrupted.signal.throwIfAborted();
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new BusError('E_TIMEOUT', `not after ${ms} ms: ${what}`);
    await delay(25);
  }
}

interface SeatStatus {
  isActive: boolean;
  isReady: boolean;
  serversUp: number;
}

async function seatStatus({ info }: Running, seat: number): Promise<SeatStatus | undefined> {
  const { metrics = '', standbys = [] } = info.sites[site] ?? {};
  try {
    const url = new URL('/status', [metrics, ...standbys][seat - 1]);
    const status = (await (await fetch(url, { signal: AbortSignal.timeout(2_000) })).json()) as {
      ready: boolean;
      sidecars: { role: string }[];
      servers: { isUp: boolean }[];
    };
    const serversUp = status.servers.filter(({ isUp }) => isUp).length;
    return { isActive: status.sidecars[0]?.role === 'active', isReady: status.ready, serversUp };
  } catch {
    return undefined;
  }
}

async function activeSeat(run: Running): Promise<number | undefined> {
  const both = await Promise.all([1, 2].map((seat) => seatStatus(run, seat)));
  const active = both.flatMap((status, at) => (status?.isActive ? [at + 1] : []));
  return active.length === 1 ? active[0] : undefined;
}

/** Number of the server that leads the capture stream of trade. */
async function leaderOf({ dir }: Running): Promise<number> {
  const nc = await openCustomer(join(dir, 'sites', site), 'acme');
  try {
    const info = await (await jetstreamManager(nc, { checkAPI: false })).streams.info('trade');
    if (info.config.num_replicas !== 3) throw new BusError('E_INTERNAL', 'the stream of trade has not three copies');
    return Number(/-([23])$/.exec(info.cluster?.leader ?? '')?.[1] ?? 1);
  } finally {
    await nc.close();
  }
}

/** Runs `spoil`, waits until every group is delivered to again, and tells the gaps. */
async function withGaps(run: Running, spoil: () => Promise<Omit<Fault, 'gapsMs'>>): Promise<Fault> {
  const watched = { ...run.publishers, ...run.groups };
  for (const each of Object.values(watched)) each.watchGap();
  const told = await spoil();
  const before = Object.values(run.groups).map((group) => group.delivered);
  const flows = (): boolean => Object.values(run.groups).every((group, at) => group.delivered > (before[at] ?? 0));
  await until('every group is delivered to again', async () => flows());
  const gapsMs = Object.fromEntries(Object.entries(watched).map(([name, each]) => [name, Math.round(each.gapMs)]));
  const takeover = told.takeoverMs === undefined ? '' : `: another sidecar works after ${told.takeoverMs} ms`;
  const gaps = Object.entries(gapsMs).map(([name, ms]) => `${name} ${ms}`);
  say(`${told.what}${takeover}; longest gaps, ms: ${gaps.join(', ')}`);
  return { ...told, gapsMs };
}

async function killLeader(run: Running): Promise<Omit<Fault, 'gapsMs'>> {
  const leader = await leaderOf(run);
  await labKill(run.dir, site, `server:${leader}`);
  await until('its death is noticed', async () => (await anyStatus(run))?.serversUp === 2);
  const before = Math.min(...Object.values(run.groups).map((group) => group.delivered));
  // two of three go on before the third is back
  await until('two go on', async () => Math.min(...Object.values(run.groups).map((g) => g.delivered)) > before);
  await labStart(run.dir, site, `server:${leader}`);
  await until('it is back', async () => (await anyStatus(run))?.serversUp === 3);
  return { what: `server ${leader}, leader of the stream, killed and started again` };
}

async function anyStatus(run: Running): Promise<SeatStatus | undefined> {
  const seat = await activeSeat(run);
  return seat === undefined ? undefined : seatStatus(run, seat);
}

/** Milliseconds until the other sidecar is at work and ready. */
async function takeoverOf(run: Running, was: number, spoil: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await spoil();
  await until('another sidecar works', async () => {
    const status = await seatStatus(run, 3 - was);
    return status?.isActive && status.isReady;
  });
  return Math.round(performance.now() - startMs);
}

async function killSidecar(run: Running): Promise<Omit<Fault, 'gapsMs'>> {
  const was = await until('a sidecar works', () => activeSeat(run));
  const takeoverMs = await takeoverOf(run, was, () => labKill(run.dir, site, `sidecar:${was}`));
  await labStart(run.dir, site, `sidecar:${was}`);
  return { what: `sidecar ${was}, at work, killed`, takeoverMs };
}

async function pauseSidecar(run: Running): Promise<Omit<Fault, 'gapsMs'>> {
  const was = await until('a sidecar works', () => activeSeat(run));
  const takeoverMs = await takeoverOf(run, was, () => labPause(run.dir, site, `sidecar:${was}`));
  await delay(Math.max(0, stoppedMs - takeoverMs));
  await labResume(run.dir, site, `sidecar:${was}`);
  await until('the one that woke has ended', async () => (await pidsOf(run.dir, site, `sidecar:${was}`)).length === 0);
  await labStart(run.dir, site, `sidecar:${was}`);
  return { what: `sidecar ${was}, at work, stopped for ${stoppedMs / 1_000} s`, takeoverMs };
}

async function spoilAll(dir: string, info: LabInfo, perSecond: number): Promise<Outcome> {
  const [tokyo, frankfurt] = [info.apps['acme/tokyo-app'], info.apps['acme/frankfurt-app']];
  if (tokyo === undefined || frankfurt === undefined) throw new BusError('E_INTERNAL', 'the lab has no applications');
  const trade = await startPublisher(tokyo, { topic: 'trade', perSecond });
  const order = await startPublisher(frankfurt, { topic: 'order', perSecond });
  const groups = {
    'trade@risk': new GroupLedger(trade.confirmed),
    'trade@audit': new GroupLedger(trade.confirmed),
    'order@desk': new GroupLedger(order.confirmed),
  };
  const consumers = [
    await startConsumer(frankfurt, 'trade@risk', groups['trade@risk']),
    await startConsumer(tokyo, 'trade@audit', groups['trade@audit']),
    await startConsumer(tokyo, 'order@desk', groups['order@desk']),
  ];
  const run: Running = { dir, info, publishers: { trade, order }, groups };
  const results = (): GroupResult[] => Object.values(groups).map((group) => group.result());
  const faults: Fault[] = [];
  try {
    await until('every group is delivered to', async () =>
      Object.values(groups).every((group) => group.delivered > 100),
    );
    for (const spoil of [killLeader, killSidecar, pauseSidecar]) faults.push(await withGaps(run, () => spoil(run)));
    await Promise.all([trade.stop(), order.stop()]);
    const isQuiet = (): boolean => results().every(({ lost }) => lost === 0);
    await until('everything has arrived', async () => isQuiet(), 60_000).catch(() => undefined);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
  } finally {
    await Promise.all([trade, order, ...consumers].map((load) => load.abort()));
  }
  const confirmed = { trade: trade.confirmed.size, order: order.confirmed.size };
  const ok = results().every(({ lost, doubled }) => lost === 0 && doubled === 0);
  const told = Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, group.result()]));
  return { ok, confirmed, groups: told, faults };
}

function print({ confirmed, groups, faults }: Outcome): string {
  const lines = Object.entries(groups).map(
    ([name, { delivered, lost, doubled, redelivered }]) =>
      `${name.padEnd(12)} ${confirmed[name.split('@')[0] ?? '']} confirmed, ${delivered} delivered, ${lost} lost, ${doubled} doubled (${redelivered} delivered again)`,
  );
  const takeovers = faults.flatMap(({ what, takeoverMs }) =>
    takeoverMs === undefined ? [] : [`${what}: another works after ${(takeoverMs / 1_000).toFixed(1)} s`],
  );
  return `${[...lines, ...takeovers].join('\n')}\n`;
}

await runProgram({
  name: 'redundant',
  usage,
  options: {
    rate: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
  run: async ({ rate, json, keep }) => {
    const perSecond = wholeNumber('rate', rate, 1);
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => interrupted.abort(new BusError('E_LAB_START', `interrupted by ${name}`)));
    }
    const dir = await mkdtemp(join(tmpdir(), 'mbus-redundant-'));
    const lab = {
      text: busFile,
      fileName: 'redundant',
      dir,
      progress: say,
      keep,
      signal: interrupted.signal,
      readyMs: patienceMs,
    };
    const info = await labUp(lab);
    try {
      const outcome = await spoilAll(dir, info, perSecond);
      process.stdout.write(json ? `${JSON.stringify(outcome)}\n` : print(outcome));
      return outcome.ok ? 0 : 1;
    } finally {
      await labDown(dir, { keep });
    }
  },
});
