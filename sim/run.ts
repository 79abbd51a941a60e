/** Spreads schedules over threads, and sums up what they found. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Finding, Job, JobResult } from './batch.ts';
import type { CrashPoint } from './plan.ts';
import type { Variant } from './variants.ts';

export interface SimulationOptions {
  schedules: number;
  seed: number;
  variant?: Variant;
  isTraced?: boolean;
  threads?: number;
  /** findings come with the smallest plan that leads to them */
  isShrunk?: boolean;
  /** no more schedules once something of these kinds was found */
  until?: readonly string[];
  /** told after every few schedules: how many are done, and how many of them went wrong */
  onProgress?: (done: number, wrong: number) => void;
}

export interface Summary {
  schedules: number;
  /** schedules of which no two made the same decisions */
  distinct: number;
  events: number;
  messages: number;
  faults: number;
  /** most timers, subscriptions, requests and unsent messages that one sidecar held at once */
  mostHeld: number;
  /** simulated hours */
  hours: number;
  seconds: number;
  findings: Finding[];
  trace: string[];
}

const jobSize = 10;

/** The messages of one seed, once for each event of each process: it is killed there. Every `stride`-th of them. */
export async function sweep({ seed, stride = 1 }: { seed: number; stride?: number }): Promise<Summary> {
  const beganMs = performance.now();
  const common = { firstSeed: seed, count: 1, variant: 'none', isTraced: false, isShrunk: true } as const;
  const measured: JobResult[] = [];
  await work([{ ...common, crashes: [noCrash] }], measured, () => false);
  const points = Object.entries(measured[0]?.steps ?? {})
    .flatMap(([process, steps]) => crashPoints(process, steps))
    .filter((_, index) => index % stride === 0);
  const jobs: Job[] = [];
  while (points.length > 0) jobs.push({ ...common, crashes: points.splice(0, jobSize) });
  const results: JobResult[] = [];
  await inThreads(jobs, results, () => false, availableParallelism());
  return summaryOf(results, (performance.now() - beganMs) / 1_000);
}

/** nobody bears this name */
const noCrash: CrashPoint = { kind: 'kill-sidecar', where: '', step: 1 };

function crashPoints(process: string, steps: number): CrashPoint[] {
  const [where = '', part = ''] = process.split(' ');
  const kind = part === 'server' ? 'kill-server' : 'kill-sidecar';
  return Array.from({ length: steps }, (_, index) => ({ kind, where, step: index + 1 }));
}

/** Seeds `seed` to `seed + schedules - 1`. */
export async function simulate(options: SimulationOptions): Promise<Summary> {
  const { threads = availableParallelism(), until = [], onProgress } = options;
  const beganMs = performance.now();
  const jobs = jobsOf(options);
  const results: JobResult[] = [];
  const isOver = (): boolean => {
    const findings = results.flatMap((result) => result.findings);
    const done = sumOf(results, ({ hashes }) => hashes.length);
    if (done > 0) onProgress?.(done, findings.length);
    return findings.some(({ kind }) => until.includes(kind));
  };
  await inThreads(jobs, results, isOver, threads);
  return summaryOf(results, (performance.now() - beganMs) / 1_000);
}

async function inThreads(jobs: Job[], results: JobResult[], isOver: () => boolean, threads: number): Promise<void> {
  const count = Math.min(threads, jobs.length);
  await Promise.all(Array.from({ length: count }, () => work(jobs, results, isOver)));
}

function jobsOf({ schedules, seed, variant = 'none', isTraced = false, isShrunk = true }: SimulationOptions): Job[] {
  const jobs: Job[] = [];
  for (let done = 0; done < schedules; done += jobSize) {
    jobs.push({ firstSeed: seed + done, count: Math.min(jobSize, schedules - done), variant, isTraced, isShrunk });
  }
  return jobs;
}

/** One thread takes jobs until there are none. */
function work(jobs: Job[], results: JobResult[], isOver: () => boolean): Promise<void> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { execArgv: [] });
  return new Promise<void>((resolve, reject) => {
    const next = (): void => {
      const job = isOver() ? undefined : jobs.shift();
      if (job === undefined) resolve();
      else worker.postMessage(job);
    };
    worker.on('message', (result: JobResult) => {
      results.push(result);
      next();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`a thread of the simulation ended with code ${code}`)));
    next();
  }).finally(() => worker.terminate());
}

function summaryOf(results: readonly JobResult[], seconds: number): Summary {
  const sum = (part: (result: JobResult) => number): number => sumOf(results, part);
  const hashes = results.flatMap((result) => result.hashes);
  return {
    schedules: hashes.length,
    distinct: new Set(hashes).size,
    events: sum(({ events }) => events),
    messages: sum(({ messages }) => messages),
    faults: sum(({ faults }) => faults),
    mostHeld: Math.max(0, ...results.map(({ mostHeld }) => mostHeld)),
    hours: sum(({ virtualMs }) => virtualMs) / 3_600_000,
    seconds,
    findings: results.flatMap(({ findings }) => findings).sort((a, b) => a.seed - b.seed),
    trace: results.flatMap(({ trace }) => trace),
  };
}

function sumOf(results: readonly JobResult[], part: (result: JobResult) => number): number {
  return results.reduce((all, each) => all + part(each), 0);
}
