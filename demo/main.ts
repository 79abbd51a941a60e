/**
 * The demo: three LANs, two customers, recorded events, a cut link, an eavesdropper and an intruder, on this machine.
 *
 *   npm run demo [-- --input FILE[.gz]] [--json]
 *
 * Talk goes to stderr, the result to stdout. Exit code 0: nothing lost, doubled, changed or leaked; 1: something was, or a
 * part did not work; 2: bad usage or input. Whatever happens, every process it started is stopped.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BusError } from '../src/errors.ts';
import { labDown, labUp } from '../src/lab/index.ts';
import { readInput, topicsOf } from './input.ts';
import { runProgram } from './program.ts';
import { Progress } from './progress.ts';
import { type DemoDocument, renderTable, summarize } from './report.ts';
import { run } from './run.ts';
import { planScenario } from './scenario.ts';

const usage = `Usage: npm run demo [-- --input FILE[.gz]] [--json]

  --input FILE   publish this file: JSON lines, or market feed lines "<ns> <json>"; plain or gzip
                 (default: recorded earthquakes and flights)
  --json         print one JSON document on stdout
  --keep         leave the lab's directory behind
  --help         this text
`;

interface DemoOptions {
  input?: string | undefined;
  keep: boolean;
}

async function demonstrate({ input, keep }: DemoOptions, signal: AbortSignal): Promise<DemoDocument> {
  const startedMs = performance.now();
  const progress = new Progress();
  const events = await readInput(input);
  const scenario = planScenario(events);
  const dir = await mkdtemp(join(tmpdir(), 'mbus-demo-'));
  const topics = topicsOf(events).join(', ');
  progress.say(`${events.length.toLocaleString('en')} events in ${topics}; starting three sites in ${dir}`);
  const say = (line: string): void => progress.say(`  ${line}`);
  // a lab that does not start cleans up by itself, and its error is the one to tell
  const lab = await labUp({ text: scenario.file, fileName: 'demo', dir, keep, progress: say, signal });
  try {
    const { problems, ...facts } = await run({ dir, lab, scenario, progress, signal });
    for (const problem of problems) progress.say(`problem: ${problem}`);
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
    return summarize({ ...facts, seconds }, problems);
  } finally {
    progress.say('stopping the lab');
    await labDown(dir, { keep });
  }
}

await runProgram({
  name: 'demo',
  usage,
  options: {
    input: { type: 'string' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
  run: async ({ json, ...options }) => {
    const abort = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => abort.abort(new BusError('E_LAB_START', `interrupted by ${name}`)));
    }
    const document = await demonstrate(options, abort.signal);
    process.stdout.write(json ? `${JSON.stringify(document)}\n` : `\n${renderTable(document)}`);
    return document.ok ? 0 : 1;
  },
});
