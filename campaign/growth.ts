/**
 * Groups that were added while everything ran, and from when on each publishing site owes them its messages: once the site has
 * said that it applied the change. What was published before may or may not come out of them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { labStatus } from '../src/lab/index.ts';
import type { Clients } from './clients.ts';
import type { Configuration } from './configuration.ts';
import type { LateGroup } from './judge.ts';
import type { Target } from './plan.ts';

const pollMs = 1_000;
const patienceMs = 120_000;

export interface GrowthOptions {
  lab: string;
  clients: Clients;
  configuration: Configuration;
}

export class Growth {
  readonly groups: (LateGroup & { since: Map<string, number> })[] = [];
  readonly #options: GrowthOptions;
  readonly #abort = new AbortController();

  constructor(options: GrowthOptions) {
    this.#options = options;
  }

  /** Throws when it could not be applied now. */
  async add(target: Extract<Target, { kind: 'topic' }>): Promise<void> {
    const { clients, configuration } = this.#options;
    const { version, consumers } = await configuration.grow(target);
    const group = { consumers, since: new Map<string, number>() };
    this.groups.push(group);
    await clients.startMore(`late.${target.customer}.${target.topic}`, consumers);
    void this.#watch(group, version);
  }

  stop(): void {
    this.#abort.abort();
  }

  async #watch({ since }: { since: Map<string, number> }, version: number): Promise<void> {
    const { signal } = this.#abort;
    for (const endMs = performance.now() + patienceMs; performance.now() < endMs && !signal.aborted; ) {
      const { sites } = await labStatus(this.#options.lab).catch(() => ({ sites: [] }));
      for (const { name, report } of sites) {
        if (report !== null && report.applied >= version && !since.has(name)) since.set(name, Date.now());
      }
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
