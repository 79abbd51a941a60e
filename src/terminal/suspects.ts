/**
 * Terminals that no receipts come back over: the origin sends around them for a while. A transit that takes envelopes and
 * drops them answers like one that works, so only the missing receipt tells; which terminal of the way it was, nobody
 * knows, so all of them are gone around where a way does, else the first hop, else another one.
 *
 * Kept per destination, for that one may be at fault itself: when every way to it was tried in vain nobody is suspected.
 * A suspicion ends by itself, later each time it comes again, and never before other ways had the time to show what they
 * give: else two that drop take turns.
 */
import type { Clock } from '../clock.ts';

/** The way to a terminal that goes around those in `shun` where it can. */
export type FindWay = (terminalId: string, shun: readonly string[]) => { path: string[]; isWhole: boolean } | null;

export interface Suspicion {
  /** terminals gone around */
  over: readonly string[];
  destinationId: string;
  /** times in a row */
  count: number;
  endsAtMs: number;
}

interface Blame {
  only?: string;
  patienceMs?: number;
}

const firstMs = 5_000;
const longestMs = 3_600_000;
/** times as long as was waited for a receipt: the next way is waited for as well, and the one after it */
const perPatience = 3;
/** after every way was tried in vain */
const truceMs = 60_000;

export class Suspects {
  readonly #find: FindWay;
  readonly #clock: Clock;
  readonly #byDestination = new Map<string, Suspicion[]>();
  readonly #truceUntilMs = new Map<string, number>();

  constructor(find: FindWay, clock: Clock) {
    this.#find = find;
    this.#clock = clock;
  }

  /** Terminals to go around on the way to this one. */
  shunOf(destinationId: string): string[] {
    const nowMs = this.#clock.monotonicMs();
    const current = (this.#byDestination.get(destinationId) ?? []).filter(({ endsAtMs }) => endsAtMs > nowMs);
    return [...new Set(current.flatMap(({ over }) => over))];
  }

  /**
   * No receipt came back in time from a terminal: answers which terminals are gone around from now on, none when there is
   * no other way. `only`: a terminal on the way that said itself that it gave up. `patienceMs`: how long receipts are waited
   * for now.
   */
  blame(destinationId: string, { only, patienceMs = 0 }: Blame = {}): readonly string[] {
    const nowMs = this.#clock.monotonicMs();
    const shun = this.shunOf(destinationId);
    const path = this.#find(destinationId, shun)?.path ?? [];
    const between = path.slice(1, -1);
    if (only !== undefined && !between.includes(only)) return [];
    const isTruce = nowMs < (this.#truceUntilMs.get(destinationId) ?? 0);
    const candidates = only === undefined ? [between, ...between.map((id) => [id])] : [[only]];
    const mayBlame = !isTruce && between.length > 0;
    const over = mayBlame ? candidates.find((each) => this.#isAvoidable(destinationId, shun, each)) : undefined;
    if (over !== undefined) {
      this.#add(destinationId, over, { nowMs, leastMs: perPatience * patienceMs });
      return over;
    }
    if (shun.length > 0) {
      this.#byDestination.delete(destinationId);
      this.#truceUntilMs.set(destinationId, nowMs + truceMs);
    }
    return [];
  }

  /** What is suspected now. */
  current(): Suspicion[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#byDestination.values()].flat().filter(({ endsAtMs }) => endsAtMs > nowMs);
  }

  /** When the next suspicion ends, so that ways can be looked at again; Infinity when there is none. */
  get nextEndMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.current().map(({ endsAtMs }) => endsAtMs));
  }

  #isAvoidable(destinationId: string, shun: readonly string[], over: readonly string[]): boolean {
    const around = [...shun, ...over];
    const way = this.#find(destinationId, around);
    return way?.isWhole === true && !around.some((id) => way.path.includes(id));
  }

  #add(destinationId: string, over: readonly string[], { nowMs, leastMs }: { nowMs: number; leastMs: number }): void {
    const key = [...over].sort().join();
    const all = this.#byDestination.get(destinationId) ?? [];
    const before = all.find((each) => [...each.over].sort().join() === key);
    const isAgain = before !== undefined && nowMs - before.endsAtMs < longestMs;
    const count = isAgain ? before.count + 1 : 1;
    const endsAtMs = nowMs + Math.min(longestMs, Math.max(leastMs, firstMs * 2 ** (count - 1)));
    const others = all.filter((each) => each !== before);
    this.#byDestination.set(destinationId, [...others, { over, destinationId, count, endsAtMs }]);
  }
}
