/**
 * The bus beside what a user would pick instead: the same work on the same machine in the same run, A B A B, so that what
 * the machine does meanwhile hits all of them.
 *
 *   npm run bench [-- --quick] [--json] [--only free,shaped] [--feed FILE] [--compare bench/baseline.json] [--curves]
 *
 * The table goes to stdout, talk to stderr. Exit code 1 when the bus lost, doubled or changed a message; what a peer got wrong
 * and a missed target are told and fail nothing. With --compare it is 1 when a ratio fell by more than 15 % against that run.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram, say } from '../demo/program.ts';
import { BusError } from '../src/errors.ts';
import { labDown } from '../src/lab/index.ts';
import { fallsAgainst } from './compare.ts';
import { readFeed } from './loads.ts';
import { describeMachine } from './machine.ts';
import { Bench, type Part } from './part.ts';
import { brokersPart } from './parts/brokers.ts';
import { curvesPart } from './parts/curves.ts';
import { cutsPart } from './parts/cuts.ts';
import { fanOutPart } from './parts/fanout.ts';
import { freePart } from './parts/free.ts';
import { hopsPart } from './parts/hops.ts';
import { localPart } from './parts/local.ts';
import { memoryPart } from './parts/memory.ts';
import { sealingPart } from './parts/sealing.ts';
import { shapedPart } from './parts/shaped.ts';
import { type Row, renderRows } from './rows.ts';

/** in this order; what comes last is what a run can best do without */
const parts: Part[] = [
  freePart,
  shapedPart,
  fanOutPart,
  sealingPart,
  brokersPart,
  cutsPart,
  localPart,
  hopsPart,
  memoryPart,
];
/** outside the ordinary run */
const curveParts: Part[] = [curvesPart];

interface Values {
  quick: boolean;
  json: boolean;
  curves: boolean;
  compare?: string | undefined;
  only?: string | undefined;
  feed?: string | undefined;
}

async function main(values: Values): Promise<number> {
  const chosen = choose(values);
  const startedMs = performance.now();
  const dir = await mkdtemp(join(tmpdir(), 'mbus-bench-'));
  const bench = new Bench({ dir, isQuick: values.quick, feed: await readFeed(values.feed) });
  const rows: Row[] = [];
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void abandon(bench));
  try {
    for (const part of chosen) rows.push(...(await runPart(part, bench)));
  } finally {
    await bench.stop();
    await rm(dir, { recursive: true, force: true });
  }
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  const falls = values.compare === undefined ? [] : await fallsAgainst(values.compare, rows);
  for (const fall of falls) say(`fell by more than 15 %: ${fall}`);
  const ok = rows.every(({ wrong }) => wrong === 0) && falls.length === 0;
  const machine = await describeMachine();
  const document = { ok, falls, quick: values.quick, seconds, machine, rows };
  process.stdout.write(values.json ? `${JSON.stringify(document)}\n` : `${renderRows(rows)}\n${seconds} s\n`);
  return ok ? 0 : 1;
}

/** Stopped from outside: nothing that was started stays. */
async function abandon(bench: Bench): Promise<void> {
  say('stopping');
  await bench.stop();
  for (const name of await readdir(bench.dir)) {
    await labDown(join(bench.dir, name), { keep: false }).catch(() => undefined);
  }
  await rm(bench.dir, { recursive: true, force: true });
  process.exit(130);
}

async function runPart(part: Part, bench: Bench): Promise<Row[]> {
  const startedMs = performance.now();
  say(`— ${part.name}`);
  const rows = await part.run(bench);
  say(`${part.name}: ${Math.round((performance.now() - startedMs) / 1_000)} s`);
  return rows;
}

function choose({ only, curves }: Pick<Values, 'only' | 'curves'>): Part[] {
  if (only === undefined) return curves ? curveParts : parts;
  const all = [...parts, ...curveParts];
  return only.split(',').map((name) => {
    const part = all.find((each) => each.name === name);
    if (part) return part;
    throw new BusError('E_USAGE', `--only: ${all.map((each) => each.name).join(', ')} (got ${name})`);
  });
}

await runProgram({
  name: 'bench',
  usage: 'Usage: npm run bench [-- --quick] [--json] [--only PART,…] [--feed FILE] [--compare FILE] [--curves]\n',
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    curves: { type: 'boolean', default: false },
    compare: { type: 'string' },
    only: { type: 'string' },
    feed: { type: 'string' },
  },
  run: main,
});
