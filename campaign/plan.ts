/**
 * What goes wrong, when and for how long: drawn from the seed, the length and the topology, before anything runs. Faults at
 * different places overlap; two at the same process or link never do. The same arguments give the same plan. Pure.
 */
import type { BusFile, LinkSpec } from '../src/config/bus-file.ts';
import { Random } from './random.ts';

export type Target =
  | { kind: 'site'; site: string }
  | { kind: 'control' }
  | { kind: 'link'; customer: string; a: string; b: string }
  | { kind: 'control-link'; site: string }
  /** two links that are never up together */
  | { kind: 'links'; customer: string; first: [string, string]; second: [string, string] }
  | { kind: 'topic'; customer: string; topic: string }
  | { kind: 'change'; customer: string; name: string };

export interface Step {
  /** from 1, in the order of time */
  id: number;
  fault: FaultName;
  target: Target;
  /** from the start of the load, milliseconds */
  atMs: number;
  forMs: number;
}

interface Kind {
  family: string;
  /** how often, against the others */
  weight: number;
  forMs: [number, number];
  targets: (bus: BusFile) => Target[];
  /** what it takes for itself: process or link names */
  takes: (target: Target) => string[];
  /** at most once at each target, because it is never undone */
  isOnce?: boolean;
}

const sites = (bus: BusFile): Target[] => bus.sites.map(({ name }) => ({ kind: 'site', site: name }));
const control = (): Target[] => [{ kind: 'control' }];
const links = (bus: BusFile): Target[] =>
  bus.customers.flatMap(({ name, links: all }) =>
    all.map(({ between: [a, b] }): Target => ({ kind: 'link', customer: name, a, b })),
  );
const anyLink = (bus: BusFile): Target[] => [
  ...links(bus),
  ...bus.sites.map(({ name }): Target => ({ kind: 'control-link', site: name })),
];
const part = (name: string) => (target: Target) =>
  'site' in target ? [`${target.site} ${name}`] : [`control ${name}`];
const both = (target: Target): string[] => [...part('server')(target), ...part('sidecar')(target)];
const diskAndServer = (target: Target): string[] => [...part('disk')(target), ...part('server')(target)];
const wholeControl = (): string[] => ['control daemon', 'control server', 'control postgres'];

/** Pairs of links of one customer that share a site. */
function linkPairs(bus: BusFile): Target[] {
  return bus.customers.flatMap(({ name, links: all }) =>
    all.flatMap(({ between: first }, at) =>
      all
        .slice(at + 1)
        .filter(({ between }) => between.some((site) => first.includes(site)))
        .map(({ between: second }): Target => ({ kind: 'links', customer: name, first, second })),
    ),
  );
}

function linkNames(target: Target): string[] {
  const name = (customer: string, ends: readonly string[]): string => `link ${customer} ${[...ends].sort().join(' ')}`;
  if (target.kind === 'link') return [name(target.customer, [target.a, target.b])];
  if (target.kind === 'links') return [target.first, target.second].map((ends) => name(target.customer, ends));
  return target.kind === 'control-link' ? [`link control ${target.site}`] : [];
}

const topics = (bus: BusFile): Target[] =>
  bus.customers.flatMap(({ name: customer, topics: all }) =>
    all.map(({ name: topic }): Target => ({ kind: 'topic', customer, topic })),
  );

function changes(bus: BusFile): Target[] {
  return bus.customers.flatMap(({ name: customer, links: all }): Target[] => [
    { kind: 'change', customer, name: 'topic' },
    { kind: 'change', customer, name: 'group' },
    ...all
      .filter(({ between }) => between.every((site) => !needsLink(bus, site) || linksAt(site, all) > 1))
      .map(({ between }): Target => ({ kind: 'change', customer, name: `link ${between.join(' ')}` })),
  ]);
}

/** No bus is accepted in which a client site has no link at all. */
function needsLink(bus: BusFile, site: string): boolean {
  return bus.sites.some(({ name, mode }) => name === site && mode === 'client');
}

function linksAt(site: string, links: readonly LinkSpec[]): number {
  return links.filter(({ between }) => between.includes(site)).length;
}

/** One change at a time, and a link that is taken away is not spoiled meanwhile. */
function ofChange(target: Target): string[] {
  if (target.kind !== 'change') return [];
  const [what, a = '', b = ''] = target.name.split(' ');
  return ['config', ...(what === 'link' ? linkNames({ kind: 'link', customer: target.customer, a, b }) : [])];
}

/** Every fault; the families are what --faults takes. */
export const faults = {
  'kill-server': { family: 'kill', weight: 5, forMs: [100, 6_000], targets: sites, takes: part('server') },
  'kill-sidecar': { family: 'kill', weight: 6, forMs: [100, 6_000], targets: sites, takes: part('sidecar') },
  'kill-both': { family: 'kill', weight: 2, forMs: [200, 8_000], targets: sites, takes: both },
  'kill-control': { family: 'kill', weight: 2, forMs: [200, 8_000], targets: control, takes: wholeControl },
  'kill-postgres': { family: 'kill', weight: 2, forMs: [200, 6_000], targets: control, takes: wholeControl },
  'kill-consumers': { family: 'consumers', weight: 3, forMs: [500, 9_000], targets: sites, takes: part('consumers') },
  'pause-server': { family: 'pause', weight: 3, forMs: [300, 9_000], targets: sites, takes: part('server') },
  'pause-sidecar': { family: 'pause', weight: 3, forMs: [300, 12_000], targets: sites, takes: part('sidecar') },
  'pause-control': { family: 'pause', weight: 1, forMs: [300, 9_000], targets: control, takes: part('daemon') },
  'pause-postgres': { family: 'pause', weight: 1, forMs: [300, 9_000], targets: control, takes: part('postgres') },
  cut: { family: 'link', weight: 5, forMs: [300, 20_000], targets: anyLink, takes: linkNames },
  silence: { family: 'link', weight: 4, forMs: [300, 20_000], targets: anyLink, takes: linkNames },
  'half-open-up': { family: 'link', weight: 2, forMs: [300, 15_000], targets: links, takes: linkNames },
  'half-open-down': { family: 'link', weight: 2, forMs: [300, 15_000], targets: links, takes: linkNames },
  slow: { family: 'link', weight: 2, forMs: [2_000, 20_000], targets: anyLink, takes: linkNames },
  flap: { family: 'link', weight: 2, forMs: [3_000, 12_000], targets: links, takes: linkNames },
  alternate: { family: 'link', weight: 2, forMs: [8_000, 24_000], targets: linkPairs, takes: linkNames },
  'drop-cache': { family: 'cache', weight: 2, forMs: [200, 3_000], targets: sites, takes: both },
  'drop-snapshot': { family: 'cache', weight: 1, forMs: [200, 3_000], targets: sites, takes: part('sidecar') },
  'disk-full': { family: 'disk', weight: 2, forMs: [1_000, 8_000], targets: sites, takes: diskAndServer },
  'clock-jump': { family: 'clock', weight: 2, forMs: [2_000, 20_000], targets: sites, takes: part('clock') },
  'rotate-key': {
    family: 'keys',
    weight: 2,
    forMs: [100, 3_000],
    targets: topics,
    takes: (target) => [`key ${targetText(target)}`],
  },
  grow: {
    family: 'config',
    weight: 1,
    forMs: [100, 100],
    targets: topics,
    takes: (target) => ['config', `grow ${targetText(target)}`],
    isOnce: true,
  },
  change: { family: 'config', weight: 3, forMs: [3_000, 12_000], targets: changes, takes: ofChange },
} as const satisfies Record<string, Kind>;

export type FaultName = keyof typeof faults;
export const faultNames = Object.keys(faults) as FaultName[];
export const families = [...new Set(faultNames.map((name) => faults[name].family))];

export interface PlanOptions {
  seed: number;
  minutes: number;
  bus: BusFile;
  faults: readonly FaultName[];
}

/** without faults, so that the load is there when they begin */
const warmUpMs = 4_000;
/** the last fault begins this long before the end at the latest */
const lastMs = 3_000;
/** between two faults, on average; a quarter of it at least */
const gapMs = 2_500;
/** after a fault, before the next at the same place: it takes a while to start a process */
const restMs = 2_500;

export function drawPlan({ seed, minutes, bus, faults: chosen }: PlanOptions): Step[] {
  const random = new Random(seed, `plan ${minutes} ${[...chosen].sort().join(' ')}`);
  const freeAt = new Map<string, number>();
  const steps: Step[] = [];
  const kinds = chosen
    .map((fault) => ({ item: fault, weight: faults[fault].weight, targets: faults[fault].targets(bus) }))
    .filter(({ targets }) => targets.length > 0);
  if (kinds.length === 0) return [];
  const endMs = minutes * 60_000 - lastMs;
  for (let atMs = warmUpMs; atMs < endMs; atMs += gapMs / 4 + Math.round(random.next() * gapMs * 1.5)) {
    const fault = random.weighted(kinds);
    const kind: Kind = faults[fault];
    const target = random.pick(kind.targets(bus));
    const forMs = drawDuration(random, kind.forMs);
    const names = kind.takes(target);
    if (names.some((name) => (freeAt.get(name) ?? 0) > atMs)) continue;
    for (const name of names) freeAt.set(name, atMs + forMs + restMs);
    if (kind.isOnce) freeAt.set(names.at(-1)!, Number.POSITIVE_INFINITY);
    steps.push({ id: steps.length + 1, fault, target, atMs, forMs });
  }
  return steps;
}

/** Short ones more often than long ones. */
function drawDuration(random: Random, [least, most]: readonly [number, number]): number {
  return Math.round(least + (most - least) * random.next() ** 2);
}

/** SIGKILL of every process in turn; the nemesis waits for each to be back before the next. */
export function drawKillCycles(seed: number, cycles: number, bus: BusFile): Step[] {
  const random = new Random(seed, `kill ${cycles}`);
  const all: { fault: FaultName; target: Target }[] = [
    ...sites(bus).flatMap((target) => [
      { fault: 'kill-sidecar' as const, target },
      { fault: 'kill-server' as const, target },
    ]),
    { fault: 'kill-control', target: { kind: 'control' } },
    { fault: 'kill-postgres', target: { kind: 'control' } },
  ];
  return Array.from({ length: cycles }, (_, at) => ({
    id: at + 1,
    ...all[at % all.length]!,
    atMs: 0,
    forMs: drawDuration(random, [20, 1_500]),
  }));
}

/** `--faults a,b`: families or single faults. Returns undefined for a word that is neither. */
export function chooseFaults(words: readonly string[]): FaultName[] | undefined {
  const found = words.map((word) => faultNames.filter((name) => name === word || faults[name].family === word));
  return found.some((names) => names.length === 0) ? undefined : [...new Set(found.flat())];
}

export function targetText(target: Target): string {
  switch (target.kind) {
    case 'site':
      return target.site;
    case 'control':
      return 'control';
    case 'link':
      return `${target.customer} ${target.a} ${target.b}`;
    case 'control-link':
      return `control ${target.site}`;
    case 'links':
      return `${target.customer} ${target.first.join('-')} / ${target.second.join('-')}`;
    case 'topic':
      return `${target.customer} ${target.topic}`;
    case 'change':
      return `${target.customer} ${target.name}`;
  }
}
