/**
 * One campaign from start to verdict: lab up, clients on, nemesis, clients' publishers off, everything healed, drained, judged,
 * everything stopped. The lab and the ledgers stay when something was wrong.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { arch, cpus, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { BusError } from '../src/errors.ts';
import { labDown, labUp } from '../src/lab/index.ts';
import { findServer } from '../src/server/index.ts';
import { programVersion } from '../src/version.ts';
import type { Ground } from './actions.ts';
import { Clients } from './clients.ts';
import { Configuration } from './configuration.ts';
import { Disks } from './disks.ts';
import { drain } from './drain.ts';
import { type Input, storeEvents } from './events.ts';
import { Growth } from './growth.ts';
import { isClean, type Verdict } from './judge.ts';
import { type MemorySeries, MemoryWatch } from './memory.ts';
import { type Injection, Nemesis } from './nemesis.ts';
import { askControl } from './operator.ts';
import type { Step } from './plan.ts';
import type { Topology } from './topology.ts';

export interface RunOptions {
  seed: number;
  /** no new faults after that */
  minutes: number;
  topology: Topology;
  plan: readonly Step[];
  /** the plan's steps one after the other, each healed before the next */
  isInTurn: boolean;
  input: Input;
  /** messages a second of each publisher */
  perSecond: number;
  drainMs: number;
  isKept: boolean;
  signal: AbortSignal;
  say: (line: string) => void;
}

export interface RunResult {
  startedMs: number;
  /** of the load */
  seconds: number;
  drainSeconds: number;
  verdict: Verdict;
  injections: Injection[];
  changes: Changes;
  memory: MemorySeries;
  machine: Machine;
  /** ledgers and lab, when they were kept */
  dir: string | null;
}

/** What the control plane has of the plan's changes, asked at the end. */
export interface Changes {
  /** changed files that it took */
  applies: number;
  /** of the whole bus: each apply, each rotation and each change of its replicas makes one */
  busVersion: number;
  /** `customer/topic` → versions of its key, the first included */
  keyVersions: Record<string, number>;
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  system: string;
  node: string;
  natsServer: string;
  mbus: string;
}

export async function runCampaign(options: RunOptions): Promise<RunResult> {
  const { topology, isKept, say } = options;
  const dir = await mkdtemp(join(tmpdir(), 'mbus-campaign-'));
  const lab = join(dir, 'lab');
  const disks = new Disks(lab);
  let isFine = false;
  try {
    await mkdir(join(dir, 'ledgers'), { mode: 0o700 });
    loadClocks(options.plan);
    say(`${topology.file.sites.length} sites, starting in ${dir}`);
    const info = await labUp({
      text: stringify(topology.file),
      fileName: 'campaign.yaml',
      dir: lab,
      keep: true,
      signal: options.signal,
    });
    await disks.mount(disksOf(options.plan));
    const result = await load({ ...options, dir, lab, disks, apps: info.apps });
    isFine = isClean(result.verdict);
    return { ...result, dir: isFine && !isKept ? null : dir };
  } finally {
    say('stopping the lab');
    await labDown(lab, { keep: true }).catch(() => undefined);
    disks.unmount();
    if (isFine && !isKept) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface LoadOptions extends RunOptions {
  dir: string;
  lab: string;
  disks: Disks;
  apps: Record<string, { nats: string; creds: string }>;
}

async function load(options: LoadOptions): Promise<Omit<RunResult, 'dir'>> {
  const { topology, lab, disks, seed, apps, perSecond, input, say } = options;
  const { publishers, consumers } = topology;
  const sites = topology.file.sites.map(({ name }) => name);
  const ledgers = join(options.dir, 'ledgers');
  await storeEvents(ledgers, input);
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const onFailure = (what: string): void => failed.abort(new BusError('E_LAB_START', what));
  const clients = new Clients({ dir: ledgers, apps, perSecond, publishers, consumers, onFailure });
  const configuration = new Configuration(lab, topology.file);
  const growth = new Growth({ lab, clients, configuration });
  const ground: Ground = { lab, clients, configuration, growth, disks, seed };
  const nemesis = new Nemesis({ ground, sites, say });
  const memory = new MemoryWatch(lab, sites);
  try {
    await clients.startConsumers();
    await clients.startPublishers();
    const startedMs = Date.now();
    await attack({ ...options, signal }, nemesis, startedMs);
    await clients.stopPublishers();
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    say('healing');
    await nemesis.healAll();
    say('draining');
    const { verdict, drainMs } = await drain({
      dir: ledgers,
      publishers,
      consumers,
      fullDisks: nemesis.fullDisks,
      late: growth.groups,
      deadlineMs: options.drainMs,
      signal,
      say,
    });
    return {
      startedMs,
      seconds,
      drainSeconds: Math.round(drainMs / 1000),
      verdict,
      injections: nemesis.injections,
      changes: await changesOf(lab, topology, configuration.applies),
      memory: memory.series,
      machine: await describe(),
    };
  } catch (error) {
    // a wait that was aborted says nothing, its reason does
    signal.throwIfAborted();
    throw error;
  } finally {
    nemesis.stop();
    memory.stop();
    growth.stop();
    await clients.stop();
  }
}

async function attack(
  { plan, isInTurn, minutes, signal }: LoadOptions,
  nemesis: Nemesis,
  startedMs: number,
): Promise<void> {
  const endMs = startedMs + minutes * 60_000;
  if (isInTurn) return nemesis.runInTurn(plan, endMs, signal);
  await nemesis.run(plan, startedMs, signal);
  await nemesis.until(endMs, signal);
}

async function changesOf(lab: string, { file }: Topology, applies: number): Promise<Changes> {
  return askControl(lab, async (control) => {
    const keyVersions: Changes['keyVersions'] = {};
    for (const { name: customer, topics } of file.customers) {
      for (const { name: topic } of topics) {
        const { versions } = await control.call('key.versions', { customer, topic });
        keyVersions[`${customer}/${topic}`] = versions.length;
      }
    }
    const { version } = await control.call('bus.status', {});
    return { applies, busVersion: version, keyVersions };
  });
}

/** Sidecars learn of their clocks only when they start. */
function loadClocks(plan: readonly Step[]): void {
  if (!plan.some(({ fault }) => fault === 'clock-jump')) return;
  const loader = new URL('./skewed-clock.ts', import.meta.url).pathname;
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${loader}`.trim();
}

function disksOf(plan: readonly Step[]): string[] {
  const sites = plan.flatMap(({ fault, target }) =>
    fault === 'disk-full' && target.kind === 'site' ? [target.site] : [],
  );
  return [...new Set(sites)];
}

async function describe(): Promise<Machine> {
  const { version } = await findServer({});
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    natsServer: version,
    mbus: programVersion(),
  };
}
