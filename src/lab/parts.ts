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
import { controlDir, type LabState, type SitePorts, siteDir } from './state.ts';

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
  const page = `127.0.0.1:${state.control.console}`;
  const own = ['--dir', controlDir(dir), '--clock-file', clockFile(dir)];
  const args = ['control', 'run', ...own, '--monitor', monitor, '--console', page];
  const record = await startProcess({ dir, name: 'control', args, marker: controlDir(dir), signal: abort.signal });
  await untilReady(context, record, async () => (await readiness(state.control.monitor)).reasons);
  context.progress('control is ready');
}

/** All nats-servers of a site, together: one of three is of no use alone. */
export async function startServerParts(context: LabContext, site: string): Promise<void> {
  await Promise.all(serversOf(context.state, site).map((server) => startServerPart(context, site, server)));
}

/** Starts a nats-server of the site and leaves it to itself; adopted when it runs. */
export async function startServerPart(context: LabContext, site: string, server: number): Promise<void> {
  context.abort.signal.throwIfAborted();
  try {
    const dir = await openSiteDir(siteDir(context.dir, site));
    const find = { onProgress: context.progress };
    await startSiteServer({ dir, log: silentLogger, find, signal: context.abort.signal, server });
  } catch (cause) {
    throw new BusError('E_LAB_START', `${site} server: ${errorText(cause)}`, { cause });
  }
}

/** Returns without waiting for readiness: see untilSiteReady. */
export async function startSidecarPart(context: LabContext, site: string, seat: number): Promise<ProcessRecord> {
  const { dir, state, abort } = context;
  const path = siteDir(dir, site);
  const monitor = `127.0.0.1:${monitorOf(state, site, seat)}`;
  const several = seatsOf(state, site).length > 1 ? ['--seat', String(seat)] : [];
  const args = ['sidecar', 'run', '--dir', path, '--external-server', '--monitor', monitor, ...several];
  return startProcess({ dir, name: sidecarName(site, seat), args, marker: path, signal: abort.signal });
}

/** Every sidecar of it ready, or standing by, and all its links up. */
export async function untilSiteLinked(context: LabContext, site: string): Promise<void> {
  await Promise.all(
    seatsOf(context.state, site).map(async (seat) =>
      untilReady(context, await sidecarRecord(context, site, seat), async () => {
        const { reasons, linksDown } = await readiness(monitorOf(context.state, site, seat));
        return [...reasons, ...linksDown];
      }),
    ),
  );
  context.progress(`${site} is ready`);
}

/** As untilSiteLinked; its links have a little time, and those that do not come up (cut, or nobody there) are told. */
export async function untilSiteReady(context: LabContext, site: string): Promise<void> {
  await Promise.all(seatsOf(context.state, site).map((seat) => untilSidecarReady(context, site, seat)));
}

/** One sidecar of a site: ready, or standing by. */
export async function untilSidecarReady(context: LabContext, site: string, seat: number): Promise<void> {
  const port = monitorOf(context.state, site, seat);
  await untilReady(context, await sidecarRecord(context, site, seat), async () => (await readiness(port)).reasons);
  const deadline = performance.now() + linkGraceMs;
  let { linksDown } = await readiness(port);
  while (linksDown.length > 0 && performance.now() < deadline) {
    await delay(pollMs, undefined, { signal: context.abort.signal });
    ({ linksDown } = await readiness(port));
  }
  context.progress([`${site} is ready`, ...linksDown].join('; '));
}

async function sidecarRecord({ dir }: LabContext, site: string, seat: number): Promise<ProcessRecord> {
  const record = await readRecord(dir, sidecarName(site, seat));
  if (record) return record;
  throw new BusError('E_LAB_START', `${site} sidecar ${seat}: it was never started`);
}

/** Name of its process, as in DIR/processes. */
export function sidecarName(site: string, seat = 1): string {
  return seat === 1 ? `${site}.sidecar` : `${site}.sidecar-${seat}`;
}

/** Numbers of the site's sidecars, from 1 on. E_LAB_NOUN */
export function seatsOf(state: LabState, site: string): number[] {
  return [1, ...portsOf(state, site).standbys.map((_, at) => at + 2)];
}

/** Numbers of the site's nats-servers, from 1 on. E_LAB_NOUN */
export function serversOf(state: LabState, site: string): number[] {
  return [1, ...portsOf(state, site).servers.map((_, at) => at + 2)];
}

/** E_LAB_NOUN when the site has no such nats-server. */
export function requireServer(state: LabState, site: string, server: number): void {
  const { length } = serversOf(state, site);
  if (server > length) throw new BusError('E_LAB_NOUN', `${site} has no server ${server}: it has ${length}`);
}

export function sidecarNames(state: LabState, site: string): string[] {
  return seatsOf(state, site).map((seat) => sidecarName(site, seat));
}

/** Port of a sidecar's /metrics and /readyz. E_LAB_NOUN */
export function monitorOf(state: LabState, site: string, seat: number): number {
  const { monitor, standbys } = portsOf(state, site);
  const port = [monitor, ...standbys][seat - 1];
  if (port !== undefined) return port;
  throw new BusError('E_LAB_NOUN', `${site} has no sidecar ${seat}: it has ${standbys.length + 1}`);
}

export function portsOf(state: LabState, site: string): SitePorts {
  const ports = state.sites[site];
  if (ports) return ports;
  throw new BusError('E_LAB_NOUN', `no site ${site}: the lab has ${Object.keys(state.sites).sort().join(', ')}`);
}

/** Why the daemon behind this monitoring port is not ready, and which links are down; both empty when all is well. */
async function readiness(port: number): Promise<z.output<typeof readySchema>> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(answerMs) });
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
