/**
 * How each fault is done to a lab and undone. Undoing a kill returns when the part is ready again, and how long that took is
 * told in the report. Every function may be called on a part that is already in that state.
 */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type LinkRef,
  labCut,
  labKill,
  labPause,
  labRestore,
  labResume,
  labShape,
  labSilence,
  labStart,
  type Part,
} from '../src/lab/index.ts';
import type { Clients } from './clients.ts';
import type { Configuration } from './configuration.ts';
import type { Disks } from './disks.ts';
import type { Growth } from './growth.ts';
import { askControl } from './operator.ts';
import type { FaultName, Step, Target } from './plan.ts';
import { Random } from './random.ts';
import { clockFile } from './skewed-clock.ts';

export interface Ground {
  /** the lab's directory */
  lab: string;
  clients: Clients;
  configuration: Configuration;
  growth: Growth;
  disks: Disks;
  seed: number;
}

export interface Action {
  inject(step: Step, ground: Ground): Promise<void>;
  heal(step: Step, ground: Ground): Promise<void>;
}

export const actions: Record<FaultName, Action> = {
  'kill-server': killing('server'),
  'kill-sidecar': killing('sidecar'),
  'kill-both': {
    inject: ({ target }, { lab }) => killBoth(lab, siteOf(target)),
    heal: ({ target }, { lab }) => startBoth(lab, siteOf(target)),
  },
  'kill-control': {
    inject: (_, { lab }) => labKill(lab, 'control'),
    heal: (_, { lab }) => labStart(lab, 'control'),
  },
  'kill-postgres': {
    inject: (_, { lab }) => labKill(lab, 'control', 'postgres'),
    heal: (_, { lab }) => labStart(lab, 'control', 'postgres'),
  },
  'kill-consumers': {
    inject: ({ target }, { clients }) => clients.killConsumersOf(siteOf(target)),
    heal: ({ target }, { clients }) => clients.startConsumersOf(siteOf(target)),
  },
  'pause-server': pausing('server'),
  'pause-sidecar': pausing('sidecar'),
  'pause-control': pausing('daemon'),
  'pause-postgres': pausing('postgres'),
  cut: spoiling((lab, link) => labCut(lab, link)),
  silence: spoiling((lab, link) => labSilence(lab, link)),
  'half-open-up': spoiling((lab, link) => labSilence(lab, link, 'up')),
  'half-open-down': spoiling((lab, link) => labSilence(lab, link, 'down')),
  slow: {
    inject: async ({ target }, { lab }) =>
      void (await labShape(lab, linkOf(target), { delayMs: 80, jitterMs: 60, mbit: 4 })),
    heal: async ({ target }, { lab }) => void (await labShape(lab, linkOf(target), {})),
  },
  flap: { inject: flap, heal: ({ target }, { lab }) => restore(lab, linkOf(target)) },
  alternate: { inject: alternate, heal: restoreBoth },
  'drop-cache': {
    inject: async ({ target }, { lab }) => {
      await killBoth(lab, siteOf(target));
      await dropTransit(lab, siteOf(target));
    },
    heal: ({ target }, { lab }) => startBoth(lab, siteOf(target)),
  },
  'drop-snapshot': {
    inject: async ({ target }, { lab }) => {
      await labKill(lab, siteOf(target), 'sidecar');
      await rm(join(lab, 'sites', siteOf(target), 'snapshot.json'), { force: true });
    },
    heal: ({ target }, { lab }) => labStart(lab, siteOf(target), 'sidecar'),
  },
  'disk-full': {
    inject: async ({ target }, { disks }) => disks.fill(siteOf(target)),
    heal: ({ target }, { disks }) => disks.free(siteOf(target)),
  },
  'clock-jump': {
    inject: ({ id, target }, { lab, seed }) => setClock(lab, siteOf(target), drawJump(seed, id)),
    heal: ({ target }, { lab }) => setClock(lab, siteOf(target), 0),
  },
  'rotate-key': { inject: ({ target }, { lab }) => rotate(lab, target), heal: async () => undefined },
  grow: {
    inject: async ({ target }, { growth }) => {
      if (target.kind === 'topic') await growth.add(target);
    },
    heal: async () => undefined,
  },
  change: {
    inject: (step, { configuration }) => configuration.change(step),
    heal: (step, { configuration }) => configuration.undo(step),
  },
};

function killing(part: Part): Action {
  return {
    inject: ({ target }, { lab }) => labKill(lab, siteOf(target), part),
    heal: ({ target }, { lab }) => labStart(lab, siteOf(target), part),
  };
}

function pausing(part: Part): Action {
  const site = (target: Target): string => (target.kind === 'control' ? 'control' : siteOf(target));
  return {
    inject: ({ target }, { lab }) => labPause(lab, site(target), part),
    heal: ({ target }, { lab }) => labResume(lab, site(target), part),
  };
}

function spoiling(spoil: (lab: string, link: LinkRef) => Promise<unknown>): Action {
  return {
    inject: async ({ target }, { lab }) => void (await spoil(lab, linkOf(target))),
    heal: ({ target }, { lab }) => restore(lab, linkOf(target)),
  };
}

async function killBoth(lab: string, site: string): Promise<void> {
  await Promise.all([labKill(lab, site, 'server'), labKill(lab, site, 'sidecar')]);
}

async function startBoth(lab: string, site: string): Promise<void> {
  await labStart(lab, site, 'server');
  await labStart(lab, site, 'sidecar');
}

async function restore(lab: string, link: LinkRef): Promise<void> {
  await labRestore(lab, link);
}

/** Down and up in quick succession, for as long as the step lasts. */
async function flap({ id, target, forMs }: Step, { lab, seed }: Ground): Promise<void> {
  const random = new Random(seed, `flap ${id}`);
  const link = linkOf(target);
  for (const endMs = performance.now() + forMs - 1_000; performance.now() < endMs; ) {
    await labCut(lab, link);
    await delay(random.between(50, 600));
    await labRestore(lab, link);
    await delay(random.between(100, 900));
  }
}

/** One of two links at a time; in between both are down for a moment. */
async function alternate({ target, forMs }: Step, { lab }: Ground): Promise<void> {
  const [first, second] = pairOf(target);
  const [downs, ups] = [first, second];
  await labCut(lab, downs);
  let [down, up] = [downs, ups];
  for (const endMs = performance.now() + forMs - 2_500; performance.now() < endMs; ) {
    await delay(2_000);
    await labCut(lab, up);
    await delay(300);
    await labRestore(lab, down);
    [down, up] = [up, down];
  }
}

async function restoreBoth({ target }: Step, { lab }: Ground): Promise<void> {
  for (const link of pairOf(target)) await restore(lab, link);
}

/** A new version of the topic's key seals from now on. */
async function rotate(lab: string, target: Target): Promise<void> {
  if (target.kind !== 'topic') throw new TypeError(`a ${target.kind} has no key`);
  const { customer, topic } = target;
  await askControl(lab, (control) => control.call('key.rotate', { customer, topic }));
}

/** The streams of the transit cache, while the site's server is dead. */
async function dropTransit(lab: string, site: string): Promise<void> {
  const store = join(lab, 'sites', site, 'nats', 'store');
  const entries = await readdir(store, { recursive: true }).catch(() => []);
  const streams = entries.filter((path) => /\/streams\/transit-[^/]+$/.test(path));
  for (const path of streams) await rm(join(store, path), { recursive: true, force: true });
}

/** Up to an hour, both ways. */
function drawJump(seed: number, id: number): number {
  return new Random(seed, `clock ${id}`).between(-3_600_000, 3_600_000);
}

async function setClock(lab: string, site: string, offsetMs: number): Promise<void> {
  await writeFile(clockFile(lab, site), `${offsetMs}`);
}

function siteOf(target: Target): string {
  if (target.kind === 'site') return target.site;
  throw new TypeError(`a ${target.kind} is no site`);
}

function linkOf(target: Target): LinkRef {
  if (target.kind === 'control-link') return { control: target.site };
  if (target.kind === 'link') return { customer: target.customer, a: target.a, b: target.b };
  throw new TypeError(`a ${target.kind} is no link`);
}

function pairOf(target: Target): [LinkRef, LinkRef] {
  if (target.kind !== 'links') throw new TypeError(`a ${target.kind} is no pair of links`);
  const { customer, first, second } = target;
  return [
    { customer, a: first[0], b: first[1] },
    { customer, a: second[0], b: second[1] },
  ];
}
