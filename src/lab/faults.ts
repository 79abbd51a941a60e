/**
 * What one does to a running lab: spoil a link, kill a part, stop it for a while. The parts that are started again are in
 * parts.ts.
 */
import { join } from 'node:path';
import { BusError } from '../errors.ts';
import type { LinkStats } from './daemon-api.ts';
import { endServersInside, type ServerName, serversInside } from './leftovers.ts';
import { Links } from './links.ts';
import { monitorOf, requireServer, sidecarName } from './parts.ts';
import { isAlive, readRecord, sendSignal, stopProcess } from './processes.ts';
import type { Direction } from './proxy.ts';
import { controlLinkName, linkName } from './rewrite.ts';
import { controlDir, readLab, siteDir } from './state.ts';

/** A customer's link between two sites, or a site's link to the control plane. */
export type LinkRef = { customer: string; a: string; b: string } | { control: string };

export interface ShapeOptions {
  /** one way, milliseconds */
  delayMs?: number;
  /** megabits per second each way; absent or null: unlimited */
  mbit?: number | null;
  jitterMs?: number;
}

/** of a site: server, sidecar (server:2, sidecar:2 for the second) · of `control`: daemon, server, postgres */
export type Part = 'server' | `server:${number}` | 'sidecar' | `sidecar:${number}` | 'daemon' | 'postgres';

/** Connections are reset at once and new ones closed at once. */
export async function labCut(dir: string, link: LinkRef): Promise<LinkStats> {
  return run(dir, link, 'cut');
}

/** Half-open: connections stay, nothing passes; with a direction, nothing that way (up: from the end that dials). */
export async function labSilence(dir: string, link: LinkRef, direction?: Direction): Promise<LinkStats> {
  const links = await Links.open(dir);
  const way = direction === undefined ? {} : { direction };
  return pick(await links.run({ do: 'silence', link: nameOf(link), ...way }), link);
}

/** Ends cut or silence; on an open link takes the shape away. */
export async function labRestore(dir: string, link: LinkRef): Promise<LinkStats> {
  return run(dir, link, 'restore');
}

export async function labShape(dir: string, link: LinkRef, shape: ShapeOptions): Promise<LinkStats> {
  const links = await Links.open(dir);
  return pick(await links.run({ do: 'shape', link: nameOf(link), shape }), link);
}

/** Counters and state of every link of the lab. */
export async function labLinks(dir: string): Promise<LinkStats[]> {
  return (await Links.open(dir)).stats();
}

/** Listens on the wire of a link until close(); the link waits for a slow callback. */
export async function labTap(
  dir: string,
  link: LinkRef,
  onBytes: (direction: Direction, bytes: Buffer) => void,
): Promise<{ close(): void }> {
  return (await Links.open(dir)).tap(nameOf(link), onBytes);
}

/**
 * SIGKILL. `control` takes its nats-server and its PostgreSQL along, as when the machine dies; with a part, that alone.
 */
export async function labKill(dir: string, site: string, part?: Part): Promise<void> {
  const { home, record, servers } = await placeOf(dir, site, part);
  if (record !== undefined) await killProcess(dir, record);
  if (servers.length > 0) await endServersInside(home, true, servers);
}

/** SIGSTOP: the part keeps its memory and its connections and does nothing, until labResume or a kill. */
export async function labPause(dir: string, site: string, part?: Part): Promise<void> {
  for (const pid of await pidsOf(dir, site, part)) sendSignal(pid, 'SIGSTOP');
}

export async function labResume(dir: string, site: string, part?: Part): Promise<void> {
  for (const pid of await pidsOf(dir, site, part)) sendSignal(pid, 'SIGCONT');
}

/** The processes of a part that live; PostgreSQL is several. */
export async function pidsOf(dir: string, site: string, part?: Part): Promise<number[]> {
  const { home, record: name, servers } = await placeOf(dir, site, part);
  const record = name === undefined ? undefined : await readRecord(dir, name);
  const daemon = record !== undefined && isAlive(record) ? [record.pid] : [];
  return servers.length === 0 ? daemon : [...daemon, ...(await serversInside(home, servers))];
}

interface Place {
  /** directory that its servers run in */
  home: string;
  /** name of its daemon */
  record?: string;
  servers: ServerName[];
}

async function placeOf(dir: string, site: string, part: Part | undefined): Promise<Place> {
  const state = await readLab(dir);
  if (site === 'control') return controlPlace(controlDir(dir), part);
  if (!state.sites[site]) throw noSuchSite(site, Object.keys(state.sites));
  const { kind, number } = splitPart(part);
  if (kind === 'server') {
    requireServer(state, site, number);
    return { home: join(siteDir(dir, site), number === 1 ? 'nats' : `nats-${number}`), servers: ['nats-server'] };
  }
  monitorOf(state, site, number);
  if (kind === 'sidecar') return { home: siteDir(dir, site), record: sidecarName(site, number), servers: [] };
  throw new BusError('E_LAB_NOUN', `say which part of ${site}: server or sidecar`);
}

/** Which part, and which of several: the first where none is named. */
export function splitPart(part: Part | undefined): { kind: string | undefined; number: number } {
  const [kind, number = '1'] = part?.split(':') ?? [];
  return { kind, number: Number(number) };
}

function controlPlace(home: string, part: Part | undefined): Place {
  switch (part) {
    case undefined:
      return { home, record: 'control', servers: ['nats-server', 'postgres'] };
    case 'daemon':
      return { home, record: 'control', servers: [] };
    case 'server':
      return { home, servers: ['nats-server'] };
    case 'postgres':
      return { home, servers: ['postgres'] };
    default:
      throw new BusError(
        'E_LAB_NOUN',
        `control has no ${part}: name daemon, server or postgres, or none for all three`,
      );
  }
}

export function noSuchSite(site: string, sites: string[]): BusError {
  return new BusError('E_LAB_NOUN', `no site ${site}: the lab has control, ${sites.sort().join(', ')}`);
}

export function nameOf(link: LinkRef): string {
  return 'control' in link ? controlLinkName(link.control) : linkName(link.customer, link.a, link.b);
}

async function killProcess(dir: string, name: string): Promise<void> {
  const record = await readRecord(dir, name);
  if (record) await stopProcess(record, 'SIGKILL');
}

async function run(dir: string, link: LinkRef, what: 'cut' | 'restore'): Promise<LinkStats> {
  const links = await Links.open(dir);
  return pick(await links.run({ do: what, link: nameOf(link) }), link);
}

function pick(all: LinkStats[], link: LinkRef): LinkStats {
  const found = all.find((stats) => stats.link === nameOf(link));
  if (found) return found;
  throw new BusError('E_INTERNAL', `the lab's daemon answered without link ${nameOf(link)}`);
}
