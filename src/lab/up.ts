/**
 * Starts a lab: parts that do not need each other start together.
 *
 *   links daemon ──▶ a proxy per link ──┐
 *   control plane (PostgreSQL) ─────────┴▶ apply the file ──▶ per site: token ▶ join ▶ nats-server ▶ sidecar ──▶ all ready
 *
 * When a part fails the others are stopped and the directory is removed, so the next try starts clean.
 */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createAdminClient } from '../api/index.ts';
import type { ControlClient } from '../api/methods.ts';
import type { BusFile, SiteSpec } from '../config/bus-file.ts';
import { parseBusFile } from '../config/parse.ts';
import { BusError, errorText } from '../errors.ts';
import { findServer, withLock } from '../server/index.ts';
import { makeDirs } from '../trust/index.ts';
import type { LinkStats } from './daemon-api.ts';
import { labDown } from './down.ts';
import { type LabInfo, labInfo } from './info.ts';
import { joinLabSite, prepareLabSite } from './join.ts';
import { serversInside } from './leftovers.ts';
import { Links } from './links.ts';
import {
  defaultReadyMs,
  type LabContext,
  portsOf,
  seatsOf,
  startControlPart,
  startDaemonPart,
  startServerParts,
  startSidecarPart,
  untilSiteLinked,
} from './parts.ts';
import { type HeldPorts, holdPorts } from './ports.ts';
import { isAlive, readRecords } from './processes.ts';
import { controlLinkName, declaredLinks, localBusFile } from './rewrite.ts';
import {
  controlDir,
  hasLab,
  type LabState,
  type PartPorts,
  type ServerPorts,
  type SitePorts,
  writeLab,
} from './state.ts';
import { linkedAbort, together } from './together.ts';

export interface LabUpOptions {
  /** the bus file's text, and its name for messages */
  text: string;
  fileName: string;
  /** the lab's own directory: absent or empty */
  dir: string;
  /** leave the directory behind when a part does not start */
  keep?: boolean;
  /** told what happens, in plain words */
  progress?: (line: string) => void;
  /** milliseconds each part may take; default 60,000 */
  readyMs?: number;
  signal?: AbortSignal;
}

const lockName = 'lock';

/** Returns when everything is ready. E_CONFIG, E_FILE, E_LAB_RUNNING, E_LAB_START. */
export async function labUp(options: LabUpOptions): Promise<LabInfo> {
  const dir = resolve(options.dir);
  const file = parseBusFile(options.text, options.fileName);
  await requireFreeDir(dir);
  await makeDirs(dir).catch((cause: unknown) => {
    throw new BusError('E_FILE', `cannot make ${dir}: ${errorText(cause)}`, { cause });
  });
  return withLock(join(dir, lockName), () => startOrClear(dir, file, options), defaultReadyMs);
}

async function startOrClear(dir: string, file: BusFile, options: LabUpOptions): Promise<LabInfo> {
  // another `lab up` may have had the lock first
  await requireFreeDir(dir);
  try {
    return await start(dir, file, options);
  } catch (error) {
    if (await hasLab(dir)) await labDown(dir, { keep: options.keep ?? false });
    throw error;
  }
}

async function requireFreeDir(dir: string): Promise<void> {
  if (await hasLab(dir)) {
    const isRunning = (await readRecords(dir)).some(isAlive) || (await serversInside(dir)).length > 0;
    if (isRunning) throw new BusError('E_LAB_RUNNING', `${dir}: a lab runs here`);
    throw new BusError('E_LAB_GONE', `${dir}: holds a lab whose processes are gone`);
  }
  const entries = await readdir(dir).catch(() => []);
  if (entries.some((name) => !name.startsWith(lockName)))
    throw new BusError('E_USAGE', `${dir}: not empty; a lab takes a directory of its own`);
}

async function start(dir: string, file: BusFile, options: LabUpOptions): Promise<LabInfo> {
  const { state, held } = await takePorts(file, options);
  try {
    await writeLab(dir, state);
    const progress = options.progress ?? (() => undefined);
    const abort = linkedAbort(options.signal);
    return await run({ dir, state, progress, abort, readyMs: options.readyMs ?? defaultReadyMs }, file, held);
  } finally {
    await held.release();
  }
}

async function takePorts(file: BusFile, options: LabUpOptions): Promise<{ state: LabState; held: HeldPorts }> {
  const held = await holdPorts(1 + portsPerPart + portsOfSites(file.sites));
  const left = [...held.ports];
  const control = { console: left.shift() ?? 0, ...takePartPorts(left) };
  const sites = Object.fromEntries(file.sites.map((site) => [site.name, takeSitePorts(left, site)]));
  return { state: { format: 1, text: options.text, fileName: options.fileName, control, sites }, held };
}

const portsPerPart = 5;

/** How many ports these sites take. */
export function portsOfSites(sites: readonly SiteSpec[]): number {
  return sites.reduce((sum, { sidecars, servers }) => sum + portsPerPart * servers + sidecars, 0);
}

/** Takes the site's ports from those that are left. */
export function takeSitePorts(left: number[], { sidecars, servers }: SiteSpec): SitePorts {
  const first = { ...takePartPorts(left), standbys: left.splice(0, sidecars - 1) };
  const [cluster] = left.splice(0, 1);
  if (servers === 1) return { ...first, servers: [] };
  return { ...first, cluster, servers: [takeServerPorts(left), takeServerPorts(left)] };
}

function takeServerPorts(left: number[]): ServerPorts {
  const { monitor: cluster, ...ports } = takePartPorts(left);
  return { ...ports, cluster };
}

function takePartPorts(left: number[]): PartPorts {
  const own = left.splice(0, portsPerPart);
  const [client, leaf, websocket, server, monitor] = own as [number, number, number, number, number];
  return { client, leaf, websocket, server, monitor };
}

async function run(context: LabContext, file: BusFile, held: HeldPorts): Promise<LabInfo> {
  const { dir, state, progress, abort } = context;
  const { version, path } = await findServer({ onProgress: progress });
  progress(`nats-server ${version} (${path})`);
  await held.release();
  await together(abort, [
    startDaemonPart(context),
    startControl(context),
    ...file.sites.map((site) => prepareLabSite(context, site.name)),
  ]);
  const links = await Links.open(dir);
  const control = await createAdminClient(controlDir(dir));
  try {
    const ports = await openLinks(links, file, state);
    await control.call('bus.apply', { file: localBusFile(file, { sitePorts: sitePorts(state), proxyPorts: ports }) });
    await startSites(context, control, file, ports, untilSiteLinked);
  } finally {
    await control.close();
  }
  abort.signal.throwIfAborted();
  return labInfo(dir, state, file);
}

async function startControl(context: LabContext): Promise<void> {
  const { client, leaf } = context.state.control;
  const dir = controlDir(context.dir);
  // loaded here: the verbs that only spoil a link need none of it
  const { initControl } = await import('../control.ts');
  await initControl({ dir, listen: `127.0.0.1:${client}`, leafListen: `127.0.0.1:${leaf}` });
  await startControlPart(context);
}

/** A proxy for every link of the file and for every site's link to the control plane; returns the port of each. */
export async function openLinks(links: Links, file: BusFile, state: LabState): Promise<Map<string, number>> {
  let all: LinkStats[] = [];
  for (const { name, accepting, listener } of declaredLinks(file)) {
    const ports = portsOf(state, accepting);
    const moreTargets = ports.servers.map((server) => server[listener]);
    all = await links.run({ do: 'open', link: name, targetPort: ports[listener], moreTargets });
  }
  for (const { name } of file.sites) {
    all = await links.run({ do: 'open', link: controlLinkName(name), targetPort: state.control.leaf });
  }
  return new Map(all.map(({ link, port }) => [link, port]));
}

export function sitePorts(state: LabState): Map<string, PartPorts> {
  return new Map(Object.entries(state.sites));
}

/** Joins and starts the sites of `file`, all at once, and waits for each with `untilUp`. */
export async function startSites(
  context: LabContext,
  control: ControlClient,
  file: Pick<BusFile, 'sites'>,
  proxyPorts: ReadonlyMap<string, number>,
  untilUp: (context: LabContext, site: string) => Promise<void>,
): Promise<void> {
  await together(
    context.abort,
    file.sites.map(async (site) => {
      const controlPort = proxyPorts.get(controlLinkName(site.name)) ?? 0;
      await joinLabSite(context, { control, site, controlPort });
      await startServerParts(context, site.name);
      for (const seat of seatsOf(context.state, site.name)) await startSidecarPart(context, site.name, seat);
      context.progress(`${site.name} is started`);
    }),
  );
  await together(
    context.abort,
    file.sites.map(({ name }) => untilUp(context, name)),
  );
}
