/**
 * The fault campaign: a random bus, plain clients that keep their own ledger, and everything that can go wrong.
 *
 *   npm run campaign -- --minutes 30 --seed 1 [--faults kill,link] [--kill-cycles N] [--json] [--report DIR] [--plan]
 *
 * Talk goes to stderr, the result to stdout. Exit code 0: nothing lost, duplicated, changed, leaked or unexpected; 1: something
 * was, or a part did not work; 2: bad usage.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BusError, errorText, isBusError } from '../src/errors.ts';
import { type Break, breaks, buildBroken } from './broken.ts';
import { Disks } from './disks.ts';
import { presentFeeds, readEvents } from './events.ts';
import {
  chooseFaults,
  drawKillCycles,
  drawPlan,
  type FaultName,
  families,
  faultNames,
  type Step,
  targetText,
} from './plan.ts';
import { documentOf, renderDocument, renderMarkdown } from './report.ts';
import { runCampaign } from './run.ts';
import { drawTopology, maxSites, minSites } from './topology.ts';

const defaultMinutes = 2;

const usage = `Usage: npm run campaign -- [options]

  --minutes M        how long (default ${defaultMinutes})
  --seed S           of topology and plan (default 1)
  --faults A,B       families or single faults (default all):
                     ${families.join(', ')}
                     ${faultNames.join(', ')}
  --kill-cycles N    instead: SIGKILL of every process in turn, N times in all; with --minutes, no more of them after that
  --sites N          ${minSites} to ${maxSites} (default: drawn from the seed)
  --rate N           messages a second of each publisher (default 40)
  --drain S          seconds without any delivery after which the rest is lost (default 90)
  --input FILE       publish this recording, or several: JSON lines, or market feed lines; plain or gzip
                     (default: the market feeds beside the checkout, else earthquakes and flights)
  --break NAME       run a build without one defence, and see it found:
                     ${Object.keys(breaks).join(', ')}
  --note TEXT        a line for the report
  --report DIR       write seed-S-M-minutes.md and .json there
  --plan             print topology and plan, and do nothing
  --json             print one JSON document on stdout
  --keep             leave ledgers and lab behind
  --help             this text
`;

interface Settings {
  minutes: number;
  /** of kill cycles, where a limit was asked for */
  mostMinutes: number;
  seed: number;
  faults: FaultName[];
  killCycles: number;
  sites: number | undefined;
  rate: number;
  drain: number;
  input: string[];
  report: string | undefined;
  break: Break | undefined;
  note: string;
  plan: boolean;
  json: boolean;
  keep: boolean;
}

async function main(argv: string[]): Promise<number> {
  const settings = readSettings(argv);
  if (settings === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if (settings.break !== undefined) return runBroken(settings.break, settings.input, argv);
  const { seed, minutes, killCycles, sites } = settings;
  const input = await readEvents(settings.input);
  const topology = drawTopology({ seed, topics: input.topics, ...(sites !== undefined && { sites }) });
  const bus = topology.file;
  const faults = possible(settings.faults);
  const plan = killCycles > 0 ? drawKillCycles(seed, killCycles, bus) : drawPlan({ seed, minutes, bus, faults });
  if (settings.plan) {
    process.stdout.write(settings.json ? `${JSON.stringify({ topology, plan })}\n` : planText(plan));
    return 0;
  }
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => abort.abort(new BusError('E_LAB_START', `interrupted by ${name}`)));
  }
  const options = {
    ...{ seed, topology, plan, input, say, signal: abort.signal },
    minutes: killCycles > 0 ? settings.mostMinutes : minutes,
    isInTurn: killCycles > 0,
    perSecond: settings.rate,
    drainMs: settings.drain * 1000,
    isKept: settings.keep,
    note: settings.note,
  };
  const document = documentOf(options, await runCampaign(options));
  if (settings.report !== undefined) await store(settings.report, document, commandOf(argv));
  process.stdout.write(settings.json ? `${JSON.stringify(document)}\n` : `\n${renderDocument(document)}`);
  return document.ok ? 0 : 1;
}

/** The same arguments, carried out by a build that lacks a defence. */
async function runBroken(broken: Break, input: readonly string[], argv: readonly string[]): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-broken-'));
  try {
    await buildBroken(dir, broken);
    const program = join(dir, 'campaign/main.ts');
    const at = argv.indexOf('--break');
    const rest = argv.filter((_, index) => index !== at && index !== at + 1);
    // it lies elsewhere, and would not find the feeds
    const feeds = argv.includes('--input') ? [] : input.flatMap((path) => ['--input', path]);
    const note = ['--note', `Without a defence: ${broken.what}.`];
    const child = spawn(process.execPath, [program, ...rest, ...feeds, ...note], { stdio: 'inherit' });
    return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function readSettings(argv: string[]): Settings | 'help' {
  const { values } = parse(argv);
  if (values.help) return 'help';
  const number = (name: 'minutes' | 'seed' | 'rate' | 'drain' | 'kill-cycles' | 'sites', least: number): number => {
    const value = Number(values[name]);
    if (Number.isFinite(value) && value >= least) return value;
    throw new BusError('E_USAGE', `--${name}: ${least} or more (got ${values[name]})`);
  };
  const words = values.faults === undefined ? families : values.faults.split(',').filter(Boolean);
  const faults = chooseFaults(words);
  if (faults === undefined) throw new BusError('E_USAGE', `--faults: use ${[...families, ...faultNames].join(', ')}`);
  return {
    minutes: values.minutes === undefined ? defaultMinutes : number('minutes', 0.2),
    mostMinutes: values.minutes === undefined ? Number.POSITIVE_INFINITY : number('minutes', 0.2),
    seed: number('seed', 0),
    faults,
    killCycles: number('kill-cycles', 0),
    sites: values.sites === undefined ? undefined : Math.min(maxSites, number('sites', minSites)),
    rate: number('rate', 1),
    drain: number('drain', 1),
    input: values.input ?? presentFeeds(),
    report: values.report,
    break: breakOf(values.break),
    note: values.note,
    plan: values.plan,
    json: values.json,
    keep: values.keep,
  };
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string', default: '1' },
        faults: { type: 'string' },
        'kill-cycles': { type: 'string', default: '0' },
        sites: { type: 'string' },
        rate: { type: 'string', default: '40' },
        drain: { type: 'string', default: '90' },
        input: { type: 'string', multiple: true },
        report: { type: 'string' },
        break: { type: 'string' },
        note: { type: 'string', default: '' },
        plan: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (cause) {
    throw new BusError('E_USAGE', errorText(cause), { cause });
  }
}

function breakOf(name: string | undefined): Break | undefined {
  if (name === undefined) return undefined;
  const found = breaks[name];
  if (found === undefined)
    throw new BusError('E_USAGE', `--break: use ${Object.keys(breaks).join(', ')} (got ${name})`);
  return found;
}

/** Without what this machine does not allow. */
function possible(chosen: readonly FaultName[]): FaultName[] {
  if (Disks.arePossible) return [...chosen];
  if (chosen.includes('disk-full')) say('no disk is filled: that takes root, for a disk of its own (tmpfs)');
  return chosen.filter((fault) => fault !== 'disk-full');
}

function planText(plan: readonly Step[]): string {
  const line = ({ id, fault, target, atMs, forMs }: Step): string =>
    `${String(id).padStart(4)}  ${(atMs / 1000).toFixed(1).padStart(8)} s  ${fault.padEnd(15)} ${targetText(target)} for ${forMs} ms`;
  return `${plan.map(line).join('\n')}\n`;
}

async function store(dir: string, document: ReturnType<typeof documentOf>, command: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const name = `seed-${document.seed}-${document.length.replace(' ', '-')}`;
  await writeFile(join(dir, `${name}.json`), `${JSON.stringify(document)}\n`);
  await writeFile(join(dir, `${name}.md`), renderMarkdown(document, command));
}

/** Without what says where the report goes and what stands in it. */
function commandOf(argv: readonly string[]): string {
  const isOurs = (at: number): boolean => ['--report', '--note'].includes(argv[at] ?? '');
  const words = argv.filter((_, at) => !isOurs(at) && !isOurs(at - 1));
  return ['npm run campaign --', ...words].join(' ');
}

function say(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${line}\n`);
}

function report(error: unknown): number {
  const code = isBusError(error) ? error.code : 'E_INTERNAL';
  process.stderr.write(`campaign: ${code}: ${errorText(error)}\n`);
  if (process.env.MBUS_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return isBusError(error, 'E_USAGE', 'E_CONFIG', 'E_NAME') ? 2 : 1;
}

process.exitCode = await main(process.argv.slice(2)).catch(report);
