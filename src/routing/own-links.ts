/**
 * This terminal's own links as it announces them. Up and down are told at once; a cost is told when it changed enough
 * (link-cost.ts), and at most every `costEveryMs`, so that load does not make routes swing.
 */
import { extraMilli, isWorthTelling } from './link-cost.ts';
import type { LinkEntry } from './records.ts';
import type { LinkFacts } from './routes.ts';

const costEveryMs = 2_000;

export class OwnLinks {
  readonly #facts = new Map<string, LinkFacts>();
  readonly #told = new Map<string, LinkEntry>();
  #costToldMs = Number.NEGATIVE_INFINITY;

  /** True when what is announced has changed. */
  update(linkId: string, operatorCost: number, facts: LinkFacts, nowMs: number): boolean {
    this.#facts.set(linkId, facts);
    const told = this.#told.get(linkId);
    const now = entryOf(linkId, facts);
    if (now === undefined) return this.#told.delete(linkId);
    if (told !== undefined) {
      const isDue = nowMs - this.#costToldMs >= costEveryMs;
      const isNews = told.isDegraded !== now.isDegraded || isWorthTelling(operatorCost, told, now);
      if (!isDue || !isNews) return false;
      this.#costToldMs = nowMs;
    }
    this.#told.set(linkId, now);
    return true;
  }

  /** A link the configuration has no more. */
  remove(linkId: string): void {
    this.#facts.delete(linkId);
    this.#told.delete(linkId);
  }

  get linkIds(): string[] {
    return [...this.#facts.keys()];
  }

  facts(linkId: string): LinkFacts | undefined {
    return this.#facts.get(linkId);
  }

  isUp(linkId: string): boolean {
    return this.#told.has(linkId);
  }

  /** What is announced of the link, undefined while it is not up. */
  entry(linkId: string): LinkEntry | undefined {
    return this.#told.get(linkId);
  }

  entries(): LinkEntry[] {
    return [...this.#told.values()];
  }
}

function entryOf(linkId: string, facts: LinkFacts): LinkEntry | undefined {
  if (facts.state !== 'up' && facts.state !== 'degraded') return undefined;
  return {
    linkId,
    isDegraded: facts.state === 'degraded',
    extraMilli: extraMilli(facts),
    rttMs: Math.round(facts.rttMs ?? 0),
  };
}
