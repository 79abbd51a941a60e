/**
 * The parts of a lab, each started as an operator would start it: the daemon that holds the links, the control plane, and per
 * site a nats-server and a sidecar as two processes, so that each can be killed alone. A part counts as started when it
 * says that it is ready; when it does not, the last lines of its log are the error.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BusError, errorText, isBusError } from '../errors.ts';
import { silentLogger } from '../log.ts';
import { openSiteDir, startSiteServer } from '../site/index.ts';
import { clockFile } from './clock.ts';
import { Links } from './links.ts';
import { isAlive, logPath, logTail, type ProcessRecord, readRecord, startProcess } from './processes.ts';
import { controlDir, type LabState, type PartPorts, siteDir } from './state.ts';

export interface LabContext {
  /** absolute */
  dir: string;
  state: LabState;
  /** told what happens, in plain words */
  progress: (line: string) => void;
  /** aborted when a part failed or the user gave up */
  abort: AbortController;
  /** milliseconds a part may take to be ready */
  readyMs: number;
}

export const defaultReadyMs = 60_000;
const pollMs = 50;
const linkGraceMs = 10_000;
const answerMs = 1_000;

const readySchema = z.object({ reasons: z.array(z.string()), linksDown: z.array(z.string()) });

export async function startDaemonPart(context: LabContext): Promise<void> {
  const { dir, abort } = context;
  const record = await startProcess({
    dir,
    name: 'daemon',
    args: ['lab', 'daemon', '--dir', dir],
    marker: dir,
    signal: abort.signal,
  });
  await untilReady(context, record, async () => {
    try {
      await (await Links.open(dir)).stats();
      return [];
    } catch (error) {
      if (isBusError(error, 'E_LAB_GONE')) return [error.message];
      throw error;
    }
  });
}

export async function startControlPart(context: LabContext): Promise<void> {
  const { dir, state, abort } = context;
  const monitor = `127.0.0.1:${state.control.monitor}`;
  const args = ['control', 'run', '--dir', controlDir(dir), '--monitor', monitor, '--clock-file', clockFile(dir)];
  const record = await startProcess({ dir, name: 'control', args, marker: controlDir(dir), signal: abort.signal });
  await untilReady(context, record, async () => (await readiness(state.control)).reasons);
  context.progress('control is ready');
}

/** Starts the site's nats-server and leaves it to itself; adopted when it runs. */
export async function startServerPart(context: LabContext, site: string): Promise<void> {
  context.abort.signal.throwIfAborted();
  try {
    const dir = await openSiteDir(siteDir(context.dir, site));
    const find = { onProgress: context.progress };
    await startSiteServer({ dir, log: silentLogger, find, signal: context.abort.signal });
  } catch (cause) {
    throw new BusError('E_LAB_START', `${site} server: ${errorText(cause)}`, { cause });
  }
}

/** Returns without waiting for readiness: see untilSiteReady. */
export async function startSidecarPart(context: LabContext, site: string): Promise<ProcessRecord> {
  const { dir, abort } = context;
  const path = siteDir(dir, site);
  const monitor = `127.0.0.1:${portsOf(context.state, site).monitor}`;
  const args = ['sidecar', 'run', '--dir', path, '--external-server', '--monitor', monitor];
  return startProcess({ dir, name: sidecarName(site), args, marker: path, signal: abort.signal });
}

/** Ready, and all its links up. */
export async function untilSiteLinked(context: LabContext, site: string): Promise<void> {
  const ports = portsOf(context.state, site);
  await untilReady(context, await sidecarRecord(context, site), async () => {
    const { reasons, linksDown } = await readiness(ports);
    return [...reasons, ...linksDown];
  });
  context.progress(`${site} is ready`);
}

/** Ready; its links have a little time to come up, and those that do not (cut, or nobody there) are told. */
export async function untilSiteReady(context: LabContext, site: string): Promise<void> {
  const ports = portsOf(context.state, site);
  await untilReady(context, await sidecarRecord(context, site), async () => (await readiness(ports)).reasons);
  const deadline = performance.now() + linkGraceMs;
  let { linksDown } = await readiness(ports);
  while (linksDown.length > 0 && performance.now() < deadline) {
    await delay(pollMs, undefined, { signal: context.abort.signal });
    ({ linksDown } = await readiness(ports));
  }
  context.progress([`${site} is ready`, ...linksDown].join('; '));
}

async function sidecarRecord({ dir }: LabContext, site: string): Promise<ProcessRecord> {
  const record = await readRecord(dir, sidecarName(site));
  if (record) return record;
  throw new BusError('E_LAB_START', `${site} sidecar: it was never started`);
}

export function sidecarName(site: string): string {
  return `${site}.sidecar`;
}

export function portsOf(state: LabState, site: string): PartPorts {
  const ports = state.sites[site];
  if (ports) return ports;
  throw new BusError('E_LAB_NOUN', `no site ${site}: the lab has ${Object.keys(state.sites).sort().join(', ')}`);
}

/** Why the daemon behind these ports is not ready, and which links are down; both empty when all is well. */
async function readiness(ports: PartPorts): Promise<z.output<typeof readySchema>> {
  try {
    const response = await fetch(`http://127.0.0.1:${ports.monitor}/readyz`, { signal: AbortSignal.timeout(answerMs) });
    return readySchema.parse(await response.json());
  } catch {
    return { reasons: ['it does not answer on its monitoring port'], linksDown: [] };
  }
}

async function untilReady(
  context: LabContext,
  record: ProcessRecord,
  reasonsOf: () => Promise<string[]>,
): Promise<void> {
  const deadline = performance.now() + context.readyMs;
  for (;;) {
    context.abort.signal.throwIfAborted();
    const reasons = await reasonsOf();
    if (reasons.length === 0) return;
    if (!isAlive(record)) throw await startFailure(context.dir, record.name, 'it ended');
    if (performance.now() > deadline) {
      throw await startFailure(
        context.dir,
        record.name,
        `not ready after ${context.readyMs} ms: ${reasons.join('; ')}`,
      );
    }
    await delay(pollMs, undefined, { signal: context.abort.signal });
  }
}

async function startFailure(dir: string, name: string, what: string): Promise<BusError> {
  const tail = await logTail(logPath(dir, name));
  return new BusError('E_LAB_START', `${name}: ${what}. The last lines of its log:\n${tail}`, {
    details: { part: name },
  });
}
