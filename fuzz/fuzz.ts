/**
 * Changed frames into every endpoint of a living bus at once, the victim's messages flowing over the same links, and the
 * bill: each frame refused or proven the same, each refusal in the endpoint's own count, no process gone, memory flat.
 */
import { readFile } from 'node:fs/promises';
import type { World } from '../attack/world.ts';
import { Random } from '../sim/random.ts';
import { pidsOf } from '../src/lab/index.ts';
import { ControlWire, fuzzKeys, fuzzRequests, fuzzSealed, keyBases } from './control.ts';
import { counterAt, fuzzEnvelopes, fuzzNotes, openWay } from './links.ts';
import { noteFinding, refusedOf, type Tally } from './tally.ts';

interface Memory {
  process: string;
  pids: number[];
  beforeMb: number;
  afterMb: number;
}

export interface FuzzReport {
  ok: boolean;
  frames: number;
  seed: number;
  seconds: number;
  tallies: Tally[];
  memory: Memory[];
  /** what is wrong, a sentence each */
  problems: string[];
}

export interface FuzzOptions {
  frames: number;
  seed: number;
  progress?: (line: string) => void;
}

/** buffers and tables have their size after the first part, when memory is first looked at */
const slice = 0.1;
const mostGrownMb = 96;
/** of all frames; the control plane's cost the most */
const shares = {
  destination: 0.35,
  carrying: 0.15,
  receipts: 0.15,
  records: 0.15,
  sealed: 0.1,
  requests: 0.05,
  keys: 0.05,
};

const daemons = [
  ['tokyo', 'sidecar'],
  ['osaka', 'sidecar'],
  ['frankfurt', 'sidecar'],
  ['control', 'daemon'],
  ['frankfurt', 'server'],
  ['control', 'server'],
] as const;

export async function fuzz(world: World, options: FuzzOptions): Promise<FuzzReport> {
  const startMs = performance.now();
  const targets = await openTargets(world, options.seed);
  let tallies = await runAll(targets, Math.ceil(options.frames * slice));
  const memory = await Promise.all(daemons.map(([site, part]) => memoryOf(world, site, part)));
  for (let left = 1 / slice - 1; left > 0; left--) {
    const sent = sum(tallies, (tally) => tally.sent);
    const wrong = tallies.flatMap(problemsOf);
    const seconds = Math.round((performance.now() - startMs) / 1000);
    options.progress?.(
      `${sent} frames after ${seconds} s: ${sum(tallies, refusedOf)} refused, ${wrong.length} problems`,
    );
    for (const text of wrong) options.progress?.(text);
    const next = await runAll(targets, Math.round((options.frames - sent) / left));
    tallies = tallies.map((tally, index) => add(tally, next[index] ?? tally));
  }
  const problems = tallies.flatMap(problemsOf);
  if (!(await world.victim.flows(60_000))) problems.push('the victim’s messages stand still');
  for (const [index, each] of memory.entries()) {
    const [site, part] = daemons[index] ?? daemons[0];
    const now = await memoryOf(world, site, part);
    each.afterMb = now.beforeMb;
    if (now.pids.join() !== each.pids.join()) problems.push(`${each.process} was started anew`);
    if (each.afterMb - each.beforeMb > mostGrownMb)
      problems.push(`${each.process} grew from ${each.beforeMb} to ${each.afterMb} MB`);
  }
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const { seed } = options;
  return {
    ok: problems.length === 0,
    frames: sum(tallies, ({ sent }) => sent),
    seed,
    seconds,
    tallies,
    memory,
    problems,
  };
}

type Target = (frames: number) => Promise<Tally>;

async function openTargets(world: World, seed: number): Promise<[share: number, run: Target][]> {
  const random = (stream: string): Random => new Random(seed, stream);
  // before changed frames pass there too
  await world.captured();
  const [destination, carrying, receipts, records] = await Promise.all([
    openWay(world, 'osaka', 'frankfurt', 'f'),
    openWay(world, 'tokyo', 'osaka', 'f'),
    openWay(world, 'osaka', 'tokyo', 'n'),
    openWay(world, 'osaka', 'tokyo', 's'),
  ]);
  const wire = await ControlWire.open(world, 'lima');
  const draws = {
    destination: random('destination'),
    carrying: random('carrying'),
    receipts: random('receipts'),
    records: random('records'),
    sealed: random('sealed'),
    requests: random('requests'),
    keys: random('keys'),
  };
  const receiptsRefused = (): Promise<number> => counterAt(world, 'tokyo', 'mbus_receipts_refused_total');
  // a changed record under a known number is known, whatever else it says
  const recordsRefused = async (): Promise<number> => {
    const counts = ['refused', 'known'].map((outcome) =>
      counterAt(world, 'tokyo', 'mbus_routing_records_total', outcome),
    );
    return sum(await Promise.all(counts), (count) => count);
  };
  return [
    [
      shares.destination,
      counted(world, 'frankfurt', (count) =>
        fuzzEnvelopes(draws.destination, destination, { target: 'envelopes, destination', count, isCarrying: false }),
      ),
    ],
    [
      shares.carrying,
      (count) => fuzzEnvelopes(draws.carrying, carrying, { target: 'envelopes, carried', count, isCarrying: true }),
    ],
    [
      shares.receipts,
      (count) =>
        fuzzNotes(draws.receipts, receipts, {
          target: 'receipts and notes',
          count,
          token: 'n',
          refusals: receiptsRefused,
        }),
    ],
    [
      shares.records,
      (count) =>
        fuzzNotes(draws.records, records, { target: 'routing records', count, token: 's', refusals: recordsRefused }),
    ],
    [shares.sealed, (count) => fuzzSealed(draws.sealed, wire, count)],
    [shares.requests, (count) => fuzzRequests(draws.requests, wire, count)],
    // with a ticket of its own each time: a long run outlives one
    [shares.keys, async (count) => fuzzKeys(draws.keys, await keyBases(world), count)],
  ];
}

/** The endpoint's own count must hold what it refused; honest frames that had to wait may be in it too. */
function counted(world: World, site: string, run: Target): Target {
  const count = (): Promise<number> => counterAt(world, site, 'mbus_envelopes_refused_total');
  return async (frames) => {
    const before = await count();
    const tally = await run(frames);
    const missing = refusedOf(tally) - ((await count()) - before);
    if (missing > 0) noteFinding(tally, `${missing} refusals were not counted`);
    return tally;
  };
}

function runAll(targets: readonly [number, Target][], frames: number): Promise<Tally[]> {
  return Promise.all(targets.map(([share, run]) => run(Math.round(frames * share))));
}

function problemsOf(tally: Tally): string[] {
  const { target, sent, same, unanswered, findings } = tally;
  const problems = findings.map((text) => `${target}: ${text}`);
  if (unanswered > 0) problems.push(`${target}: ${unanswered} without an answer`);
  // what needs no answer is counted by the endpoint, which may count a repeated one as refused
  if (!tally.refused.counted && sent !== refusedOf(tally) + same + unanswered + findings.length)
    problems.push(`${target}: ${sent} sent, ${refusedOf(tally)} refused and ${same} the same do not add up`);
  return problems;
}

function add(a: Tally, b: Tally): Tally {
  const refused = { ...a.refused };
  for (const [code, count] of Object.entries(b.refused)) refused[code] = (refused[code] ?? 0) + count;
  return {
    target: a.target,
    sent: a.sent + b.sent,
    refused,
    same: a.same + b.same,
    unanswered: a.unanswered + b.unanswered,
    findings: [...a.findings, ...b.findings],
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

async function memoryOf(world: World, site: string, part: 'sidecar' | 'server' | 'daemon'): Promise<Memory> {
  const pids = await pidsOf(world.dir, site, part);
  const statuses = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')));
  const kilobytes = sum(statuses, (status) => Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0));
  return { process: `${site} ${part}`, pids, beforeMb: Math.round(kilobytes / 1024), afterMb: 0 };
}
