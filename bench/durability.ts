/**
 * What durability class power costs beside process: publishing into the LAN's own stream, and one hop. Two labs of two
 * sites, A B A B in one run, so that what the machine does meanwhile hits both.
 *
 *   npm run bench:durability [-- --quick] [--json]
 *
 * The table goes to stdout, talk to stderr. Exit code 1 when a message was lost, doubled or changed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runProgram, say } from '../demo/program.ts';
import { columns } from '../demo/report.ts';
import { errorText } from '../src/errors.ts';
import { type BusContender, startBus } from './bus.ts';
import type { Route } from './contender.ts';
import { randomLoad } from './loads.ts';
import { measure } from './measure.ts';

const messageBytes = 128;
const publishWindow = 256;

interface Sizes {
  rounds: number;
  /** one after the other */
  single: number;
  /** 256 at a time */
  windowed: number;
  hop: number;
}

/** Messages per second. */
interface Rates {
  single: number;
  windowed: number;
  hop: number;
}

type Kind = keyof Rates;

interface Row {
  kind: Kind;
  process: number;
  power: number;
  /** power / process, median of the rounds */
  ratio: number;
}

const titles: Record<Kind, string> = {
  single: 'publish, one after the other',
  windowed: `publish, ${publishWindow} at a time`,
  hop: 'one hop',
};

async function main(values: { quick: boolean; json: boolean }): Promise<number> {
  const sizes = values.quick
    ? { rounds: 3, single: 300, windowed: 5_000, hop: 5_000 }
    : { rounds: 5, single: 1_000, windowed: 20_000, hop: 20_000 };
  const { rows, wrong } = await compare(sizes);
  process.stdout.write(values.json ? `${JSON.stringify({ ok: wrong === 0, rows, wrong })}\n` : render(rows, wrong));
  return wrong === 0 ? 0 : 1;
}

async function compare(sizes: Sizes): Promise<{ rows: Row[]; wrong: number }> {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-durability-'));
  const releases: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })];
  try {
    const start = async (durability: 'process' | 'power'): Promise<BusContender> => {
      const bus = await startBus({ dir: join(dir, durability), topics: [{ topic: 'load' }], durability });
      releases.push(() => bus.stop());
      return bus;
    };
    const [plain, synced] = [await start('process'), await start('power')];
    const rounds: [Rates, Rates][] = [];
    let wrong = 0;
    for (let round = 1; round <= sizes.rounds; round++) {
      const [a, b] = [await measureOne(plain, sizes), await measureOne(synced, sizes)];
      rounds.push([a, b]);
      wrong += a.wrong + b.wrong;
      say(`round ${round}: process ${text(a)}, power ${text(b)}`);
    }
    return { rows: (['single', 'windowed', 'hop'] as const).map((kind) => rowOf(kind, rounds)), wrong };
  } finally {
    for (const release of releases.reverse()) await release().catch((error: unknown) => say(errorText(error)));
  }
}

async function measureOne(bus: BusContender, sizes: Sizes): Promise<Rates & { wrong: number }> {
  const { messagesPerSecond: hop, wrong } = await measure(bus, randomLoad(messageBytes, sizes.hop), { topic: 'load' });
  const route = await bus.route({ topic: 'load' });
  // the far group's backlog of what follows is of no interest
  await route.hold();
  const publish = async (count: number, window: number): Promise<number> => {
    const startMs = performance.now();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next++ < count) await route.publish(Buffer.alloc(messageBytes));
    };
    await Promise.all(Array.from({ length: window }, lane));
    return (count * 1_000) / (performance.now() - startMs);
  };
  const single = await publish(sizes.single, 1);
  const windowed = await publish(sizes.windowed, publishWindow);
  await route.start();
  await drain(route, sizes.single + sizes.windowed);
  return { single, windowed, hop, wrong };
}

/** Takes and forgets what waits for the far group. */
async function drain(route: Route, count: number): Promise<void> {
  let taken = 0;
  const end = await route.listen(() => {
    taken += 1;
  });
  while (taken < count) await delay(20);
  await end();
}

function rowOf(kind: Kind, rounds: readonly [Rates, Rates][]): Row {
  const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  return {
    kind,
    process: Math.round(median(rounds.map(([plain]) => plain[kind]))),
    power: Math.round(median(rounds.map(([, synced]) => synced[kind]))),
    ratio: Math.round(median(rounds.map(([plain, synced]) => synced[kind] / plain[kind])) * 100) / 100,
  };
}

function render(rows: readonly Row[], wrong: number): string {
  const head = ['messages per second', 'process', 'power', 'power / process'];
  const lines = rows.map(({ kind, process: plain, power, ratio }) => [
    titles[kind],
    plain.toLocaleString('en'),
    power.toLocaleString('en'),
    ratio.toFixed(2),
  ]);
  return `${columns([head, ...lines]).join('\n')}\n\nmessages of ${messageBytes} bytes, both sites of the same class; wrong: ${wrong}\n`;
}

function text({ single, windowed, hop }: Rates): string {
  return [single, windowed, hop].map((rate) => Math.round(rate)).join(' / ');
}

await runProgram({
  name: 'bench',
  usage: 'Usage: npm run bench:durability [-- --quick] [--json]\n',
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  run: main,
});
