/**
 * Carries out a plan on a lab: each step at its time, undone after its length, whatever the others do. What could not be
 * done (an apply without a control plane, a start that was killed again) is written down and is no reason to stop. At the
 * end everything is undone that can be undone.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '../src/errors.ts';
import { labLinks, labRestore, labResume, labShape, labStart } from '../src/lab/index.ts';
import { actions, type Ground } from './actions.ts';
import type { FullDisk } from './judge.ts';
import { faults, type Step, targetText } from './plan.ts';

const healAttempts = 4;
const healRetryMs = 2_000;
/** a disk is filled in less */
const fillMs = 2_000;
/** slower recoveries are told */
const slowMs = 5_000;

export interface Injection {
  step: Step;
  /** milliseconds since 1970; null when it did not come to that */
  injectedMs: number | null;
  healedMs: number | null;
  /** until the part was ready again after it was let go, milliseconds */
  recoveryMs: number | null;
  /** what did not work */
  problem: string | null;
}

export interface NemesisOptions {
  ground: Ground;
  sites: readonly string[];
  say: (line: string) => void;
}

export class Nemesis {
  readonly injections: Injection[] = [];
  readonly #options: NemesisOptions;
  readonly #underWay = new Set<Promise<void>>();
  #isOver = false;
  /** the last step at each */
  readonly #places = new Map<string, Promise<void>>();

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  /** Until nats-server was started anew, where that took place. */
  get fullDisks(): FullDisk[] {
    return this.injections.flatMap(({ step, injectedMs, healedMs }) =>
      step.fault === 'disk-full' && step.target.kind === 'site'
        ? [{ site: step.target.site, fromMs: (injectedMs ?? 0) - fillMs, untilMs: healedMs ?? Number.MAX_SAFE_INTEGER }]
        : [],
    );
  }

  /** Returns when the last step was begun. */
  async run(plan: readonly Step[], startMs: number, signal: AbortSignal): Promise<void> {
    for (const step of plan) {
      await delay(Math.max(0, startMs + step.atMs - Date.now()), undefined, { signal });
      const one: Promise<void> = this.#inItsTurn(step).finally(() => this.#underWay.delete(one));
      this.#underWay.add(one);
    }
  }

  /** Waits until this time, milliseconds since 1970. */
  async until(endMs: number, signal: AbortSignal): Promise<void> {
    await delay(Math.max(0, endMs - Date.now()), undefined, { signal });
  }

  /** One after the other, until `endMs`: each is undone, and its part ready, before the next. */
  async runInTurn(plan: readonly Step[], endMs: number, signal: AbortSignal): Promise<void> {
    for (const step of plan) {
      signal.throwIfAborted();
      if (Date.now() > endMs) return;
      await this.#carryOut(step);
    }
  }

  /** Begins nothing more. */
  stop(): void {
    this.#isOver = true;
  }

  /** Waits for what is under way, lets go of what was not begun, then undoes everything. */
  async healAll(): Promise<void> {
    this.stop();
    await Promise.all(this.#underWay);
    const { ground, sites, say } = this.#options;
    const { lab, clients, configuration, disks } = ground;
    for (const link of await labLinks(lab)) {
      const ref = refOf(link.link);
      if (link.flow !== 'open') await labRestore(lab, ref);
      await labShape(lab, ref, {});
    }
    const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
      await work().catch((error: unknown) => say(`healing ${what}: ${errorText(error)}`));
    };
    await attempt('control', async () => {
      await labResume(lab, 'control');
      await labStart(lab, 'control');
    });
    await Promise.all(
      sites.map((site) =>
        attempt(site, async () => {
          await disks.free(site);
          await labResume(lab, site, 'server');
          await labResume(lab, site, 'sidecar');
          await labStart(lab, site, 'server');
          await labStart(lab, site, 'sidecar');
          if (!clients.hasConsumersOf(site)) await clients.startConsumersOf(site);
        }),
      ),
    );
    await attempt('the configuration', () => configuration.settle());
  }

  /** After what was done before at the same place: a start may take longer than planned. */
  async #inItsTurn(step: Step): Promise<void> {
    const { takes } = faults[step.fault];
    const places = takes(step.target);
    const before = places.map((place) => this.#places.get(place));
    const done = Promise.all(before).then(() => (this.#isOver ? undefined : this.#carryOut(step)));
    for (const place of places) this.#places.set(place, done);
    await done;
  }

  async #carryOut(step: Step): Promise<void> {
    const { ground, say } = this.#options;
    const injection: Injection = { step, injectedMs: null, healedMs: null, recoveryMs: null, problem: null };
    this.injections.push(injection);
    say(`${step.id} ${step.fault} ${targetText(step.target)} for ${step.forMs} ms`);
    const beganMs = performance.now();
    injection.problem = await problemOf(() => actions[step.fault].inject(step, ground));
    injection.injectedMs = Date.now();
    const endMs = Math.max(beganMs + step.forMs, performance.now());
    await delay(Math.max(0, endMs - performance.now()));
    injection.problem = (await this.#heal(step)) ?? injection.problem;
    injection.healedMs = Date.now();
    injection.recoveryMs = Math.round(performance.now() - endMs);
    if (injection.recoveryMs > slowMs) say(`${step.id} took ${injection.recoveryMs} ms to be ready again`);
    if (injection.problem !== null) say(`${step.id} ${injection.problem}`);
  }

  /** Again when it fails: a server may not start on a full disk, a daemon not without its server. */
  async #heal(step: Step): Promise<string | null> {
    for (let attempt = 1; ; attempt++) {
      const problem = await problemOf(() => actions[step.fault].heal(step, this.#options.ground));
      if (problem === null || attempt === healAttempts) return problem;
      await delay(healRetryMs);
    }
  }
}

async function problemOf(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return errorText(error);
  }
}

/** `link/acme/a/b` or `control/a`, as the lab names its links. */
function refOf(name: string): Parameters<typeof labRestore>[1] {
  const [kind, first = '', a = '', b = ''] = name.split('/');
  return kind === 'control' ? { control: first } : { customer: first, a, b };
}
