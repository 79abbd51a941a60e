/**
 * Remembers, per terminal that is sent to, since when the way there is as it is and when the way before it broke, so that
 * receipts are waited for as long as they can be expected and no longer. While links on the way are down there is no limit.
 * When a receipt stays out although its way stands, the terminals on that way are gone around: see Suspects.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ReceiptTerms } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import type { Routes } from '../routing/index.ts';
import { Suspects, type Suspicion } from './suspects.ts';

export interface RouteWatchOptions {
  routes: Pick<Routes, 'path' | 'isPathUp' | 'rttOver' | 'onChange'>;
  /** how long what is on its way to the terminal's next hop may take, milliseconds */
  queueMs: (terminalId: string) => number;
  /** a broken way is given up about now: cursors should look */
  onOverdue: () => void;
  /** terminals that are gone around from now on, because a terminal's receipts stay out or one of them gave up */
  onShunned: (over: readonly string[], terminalId: string) => void;
  clock: Clock;
}

interface Way {
  path: readonly string[];
  isWhole: boolean;
  changedAtMs: number;
  brokenAtMs: number;
}

const patienceFloorMs = 2_000;
const patiencePerRtt = 8;
const shortFloorMs = 300;
const shortPerRtt = 2;

export class RouteWatch {
  readonly #options: RouteWatchOptions;
  readonly #ways = new Map<string, Way>();
  readonly #suspects: Suspects;
  readonly #cancel: () => void;
  /** when the next suspicion ends */
  #shunnedUntilMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RouteWatchOptions) {
    this.#options = options;
    this.#suspects = new Suspects((id, shun) => options.routes.path(id, [], shun), options.clock);
    this.#cancel = options.routes.onChange(() => this.#look());
  }

  receiptTerms(terminalId: string): ReceiptTerms {
    const { routes, queueMs, clock } = this.#options;
    if (clock.monotonicMs() >= this.#shunnedUntilMs) this.#look();
    const { path, isWhole, changedAtMs, brokenAtMs } = this.#wayOf(terminalId);
    const rttMs = routes.rttOver(path);
    const patienceMs = isWhole
      ? patienceFloorMs + patiencePerRtt * rttMs + queueMs(terminalId)
      : Number.POSITIVE_INFINITY;
    return { patienceMs, changedAtMs, brokenAtMs, shortPatienceMs: shortFloorMs + shortPerRtt * rttMs };
  }

  /** Terminals to go around on the way to this one, where another whole way does. */
  shunOf(terminalId: string): string[] {
    return this.#suspects.shunOf(terminalId);
  }

  /** What is gone around now, for people. */
  get suspicions(): Suspicion[] {
    return this.#suspects.current();
  }

  /** A receipt of the terminal is overdue although its way stands. */
  noReceipt(terminalId: string): void {
    const { patienceMs } = this.receiptTerms(terminalId);
    // without limit while its way is down: then it is not overdue
    const waited = Number.isFinite(patienceMs) ? { patienceMs } : {};
    this.#shun(terminalId, this.#suspects.blame(terminalId, waited));
  }

  /** A terminal on the way gave up what it carried: what is out goes again, around it. */
  released(terminalId: string, byTerminalId: string): void {
    const over = this.#suspects.blame(terminalId, { only: byTerminalId });
    if (over.length === 0) return;
    this.#shun(terminalId, over);
    const nowMs = this.#options.clock.monotonicMs();
    this.#ways.set(terminalId, { ...this.#wayOf(terminalId), changedAtMs: nowMs, brokenAtMs: nowMs });
    this.#callSoon();
  }

  stop(): void {
    this.#cancel();
    clearTimeout(this.#timer);
  }

  #wayOf(terminalId: string): Way {
    let way = this.#ways.get(terminalId);
    if (way === undefined) {
      way = { ...this.#find(terminalId), changedAtMs: 0, brokenAtMs: 0 };
      this.#ways.set(terminalId, way);
    }
    return way;
  }

  #find(terminalId: string): Pick<Way, 'path' | 'isWhole'> {
    const found = this.#options.routes.path(terminalId, [], this.#suspects.shunOf(terminalId));
    return { path: found?.path ?? [], isWhole: found?.isWhole ?? false };
  }

  #look(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#shunnedUntilMs = this.#suspects.nextEndMs;
    let hasBroken = false;
    for (const [terminalId, was] of this.#ways) {
      const is = this.#find(terminalId);
      const isOther = is.isWhole !== was.isWhole || !isDeepStrictEqual(is.path, was.path);
      // a better way may appear while the old one stays: what is on it still arrives
      const isBroken = was.isWhole && !this.#options.routes.isPathUp(was.path);
      hasBroken ||= isBroken;
      const changedAtMs = isOther ? nowMs : was.changedAtMs;
      this.#ways.set(terminalId, { ...is, changedAtMs, brokenAtMs: isBroken ? nowMs : was.brokenAtMs });
    }
    if (hasBroken) this.#callSoon();
  }

  #shun(terminalId: string, over: readonly string[]): void {
    if (over.length === 0) return;
    this.#options.onShunned(over, terminalId);
    this.#look();
  }

  #callSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#options.onOverdue(), shortFloorMs + 20);
  }
}
