/**
 * A changed file on a running lab: new links get proxies and new sites are started, the control plane does the rest, and what
 * the file no longer names is stopped afterwards. A site whose number of sidecars changes has its sidecars started anew;
 * nothing else is restarted, and every port stays where it was.
 */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createAdminClient } from '../api/index.ts';
import type { Change, ControlClient } from '../api/methods.ts';
import type { BusFile } from '../config/bus-file.ts';
import { parseBusFile } from '../config/parse.ts';
import { withLock } from '../server/index.ts';
import { endServersInside } from './leftovers.ts';
import { Links } from './links.ts';
import { type LabContext, seatsOf, sidecarName, sidecarNames, startSidecarPart, untilSiteReady } from './parts.ts';
import { holdPorts } from './ports.ts';
import { forgetProcess, readRecord, readRecords, stopProcess } from './processes.ts';
import { controlLinkName, declaredLinks, localBusFile } from './rewrite.ts';
import { runningLab } from './running.ts';
import { untilSettled } from './settled.ts';
import { controlDir, type LabState, type SitePorts, siteDir, writeLab } from './state.ts';
import { openLinks, portsOfSites, sitePorts, startSites, takeSitePorts } from './up.ts';

export interface ApplyOptions {
  progress?: (line: string) => void;
  signal?: AbortSignal;
  readyMs?: number;
  /** also when messages are deleted */
  force?: boolean | undefined;
}

/** E_CONFIG when the file has problems, E_LAB_GONE when no lab runs in `dir`, E_WOULD_LOSE as the control plane says. */
export async function labApply(
  dir: string,
  text: string,
  fileName: string,
  options: ApplyOptions = {},
): Promise<{ version: number; changes: Change[] }> {
  const path = resolve(dir);
  const file = parseBusFile(text, fileName);
  return withLock(join(path, 'lock'), async () => {
    const context = await runningLab(path, options);
    const control = await createAdminClient(controlDir(path));
    try {
      return await apply(context, control, file, { text, fileName, force: options.force });
    } finally {
      await control.close();
    }
  });
}

async function apply(
  context: LabContext,
  control: ControlClient,
  file: BusFile,
  { force, ...source }: { text: string; fileName: string; force: boolean | undefined },
): Promise<{ version: number; changes: Change[] }> {
  const { dir } = context;
  const known = context.state;
  const state = await withPorts(known, file.sites);
  await writeLab(dir, state);
  const links = await Links.open(dir);
  const proxyPorts = await openLinks(links, file, state);
  const local = localBusFile(file, { sitePorts: sitePorts(state), proxyPorts });
  const result = await control.call('bus.apply', { file: local, force });
  const after = { ...context, state };
  for (const site of recounted(known, state)) await startAnew(context, after, site);
  await startSites(after, control, { sites: await neverStarted(dir, file) }, proxyPorts, untilSiteReady);
  await untilSettled(after, control, result.version);
  const removed = Object.keys(known.sites).filter((name) => !file.sites.some((site) => site.name === name));
  for (const site of removed) await removeSite(context, site);
  await closeLinks(links, file);
  const sites = Object.fromEntries(Object.entries(state.sites).filter(([name]) => !removed.includes(name)));
  await writeLab(dir, { ...state, ...source, sites });
  return result;
}

/** A killed sidecar has a record and stays dead; a site that an interrupted apply left half made has none. */
async function neverStarted(dir: string, file: BusFile): Promise<BusFile['sites']> {
  const records = new Set((await readRecords(dir)).map(({ name }) => name));
  return file.sites.filter(({ name }) => !records.has(sidecarName(name)));
}

/** Ports for new sites, and for as many sidecars at the others as the file says. */
async function withPorts(state: LabState, sites: BusFile['sites']): Promise<LabState> {
  const added = sites.filter(({ name }) => !state.sites[name]);
  const more = sites.reduce((sum, site) => sum + Math.max(0, missingSidecars(state, site)), 0);
  const held = await holdPorts(portsOfSites(added) + more);
  const left = [...held.ports];
  const ports = sites.map((site): [string, SitePorts] => {
    const known = state.sites[site.name];
    if (known === undefined) return [site.name, takeSitePorts(left, site)];
    const missing = missingSidecars(state, site);
    const kept = known.standbys.slice(0, site.sidecars - 1);
    return [site.name, { ...known, standbys: [...kept, ...left.splice(0, Math.max(0, missing))] }];
  });
  await held.release();
  return { ...state, sites: { ...state.sites, ...Object.fromEntries(ports) } };
}

function missingSidecars(state: LabState, { name, sidecars }: BusFile['sites'][number]): number {
  return sidecars - 1 - (state.sites[name]?.standbys.length ?? sidecars - 1);
}

/** Sites with another number of sidecars than before. */
function recounted(before: LabState, after: LabState): string[] {
  return Object.keys(before.sites).filter(
    (site) => after.sites[site]?.standbys.length !== before.sites[site]?.standbys.length,
  );
}

/** One alone and several keep each other out of the site, so all are stopped first; nats-server goes on. */
async function startAnew(before: LabContext, after: LabContext, site: string): Promise<void> {
  await stopSidecars(before, site);
  for (const seat of seatsOf(after.state, site)) await startSidecarPart(after, site, seat);
  await untilSiteReady(after, site);
}

async function stopSidecars({ dir, state }: LabContext, site: string): Promise<void> {
  for (const name of sidecarNames(state, site)) {
    const sidecar = await readRecord(dir, name);
    if (sidecar) await stopProcess(sidecar, 'SIGTERM');
    await forgetProcess(dir, name);
  }
}

async function removeSite(context: LabContext, site: string): Promise<void> {
  const { dir } = context;
  await stopSidecars(context, site);
  await endServersInside(siteDir(dir, site));
  await rm(siteDir(dir, site), { recursive: true, force: true, maxRetries: 5 });
}

async function closeLinks(links: Links, file: BusFile): Promise<void> {
  const wanted = new Set([
    ...declaredLinks(file).map(({ name }) => name),
    ...file.sites.map(({ name }) => controlLinkName(name)),
  ]);
  for (const { link } of await links.stats()) if (!wanted.has(link)) await links.run({ do: 'close', link });
}
