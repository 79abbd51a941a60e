/**
 * One hop, sealed, against JetStream's own sourcing over the same kind of link: A B A B in one run, so that what the
 * machine does meanwhile hits both.
 *
 *   npm run bench [-- --quick] [--json]
 *
 * The table goes to stdout, talk to stderr. Exit code 1 when a message was lost, doubled or changed on either side.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram, say } from '../demo/program.ts';
import { columns } from '../demo/report.ts';
import { type BusPair, startBus } from './bus.ts';
import { type Measurement, measure } from './measure.ts';
import { type NativePair, startNative } from './native.ts';

interface Case {
  topic: string;
  bytes: number;
  messages: number;
}

interface Result {
  bytes: number;
  messages: number;
  /** messages per second, median of the rounds */
  bus: number;
  native: number;
  /** bus / native, median of the rounds */
  ratio: number;
  wrong: number;
}

const quickCases: Case[] = [
  { topic: 'small', bytes: 128, messages: 40_000 },
  { topic: 'medium', bytes: 1024, messages: 20_000 },
  { topic: 'large', bytes: 16_384, messages: 4_000 },
];
const fullFactor = 5;

async function main(values: { quick: boolean; json: boolean }): Promise<number> {
  const cases = values.quick ? quickCases : quickCases.map((c) => ({ ...c, messages: c.messages * fullFactor }));
  const startedMs = performance.now();
  const results = await compareAll(cases, values.quick ? 2 : 5);
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  const ok = results.every(({ wrong }) => wrong === 0);
  process.stdout.write(values.json ? `${JSON.stringify({ ok, results, seconds })}\n` : renderResults(results, seconds));
  return ok ? 0 : 1;
}

async function compareAll(cases: Case[], rounds: number): Promise<Result[]> {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-bench-'));
  let native: NativePair | undefined;
  let bus: BusPair | undefined;
  try {
    native = await startNative(dir);
    bus = await startBus(
      join(dir, 'lab'),
      cases.map(({ topic }) => topic),
      say,
    );
    const results: Result[] = [];
    for (const one of cases) results.push(await compareOne(one, rounds, bus, native));
    return results;
  } finally {
    await bus?.stop();
    await native?.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

async function compareOne(one: Case, rounds: number, bus: BusPair, native: NativePair): Promise<Result> {
  const pairs: [Measurement, Measurement][] = [];
  for (let round = 1; round <= rounds; round++) {
    const sealed = await runOnce(one, bus, one.topic);
    const plain = await runOnce(one, native, `${one.topic}${round}`);
    pairs.push([sealed, plain]);
    const [a, b] = [sealed, plain].map((m) => `${Math.round(m.messagesPerSecond).toLocaleString('en')} msg/s`);
    say(`${one.bytes} bytes, round ${round}: bus ${a}, native ${b}`);
  }
  return {
    bytes: one.bytes,
    messages: one.messages,
    bus: Math.round(median(pairs.map(([sealed]) => sealed.messagesPerSecond))),
    native: Math.round(median(pairs.map(([, plain]) => plain.messagesPerSecond))),
    ratio: Number(median(pairs.map(([s, p]) => s.messagesPerSecond / p.messagesPerSecond)).toFixed(2)),
    wrong: pairs.flat().reduce((sum, { wrong }) => sum + wrong, 0),
  };
}

async function runOnce(one: Case, contender: BusPair | NativePair, topic: string): Promise<Measurement> {
  const route = await contender.route(topic);
  try {
    return await measure(route, one.bytes, one.messages);
  } finally {
    await route.close();
  }
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function renderResults(results: Result[], seconds: number): string {
  const head = ['bytes', 'messages', 'bus msg/s', 'native msg/s', 'ratio', 'wrong'];
  const rows = results.map((r) => [
    `${r.bytes}`,
    ...[r.messages, r.bus, r.native].map((n) => n.toLocaleString('en')),
    r.ratio.toFixed(2),
    `${r.wrong}`,
  ]);
  return `${columns([head, ...rows]).join('\n')}\n\none hop, sealed, against plain sourcing over a leaf link; ${seconds} s\n`;
}

await runProgram({
  name: 'bench',
  usage: 'Usage: npm run bench [-- --quick] [--json]\n',
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  run: main,
});
