/**
 * Remembers, per terminal that is sent to, since when the way there is as it is and when the way before it broke, so that
 * receipts are waited for as long as they can be expected and no longer. While links on the way are down there is no limit.
 */
import type { ReceiptTerms } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import type { Routes } from '../routing/index.ts';

export interface RouteWatchOptions {
  routes: Routes;
  /** how long what is on its way to the terminal's next hop may take, milliseconds */
  queueMs: (terminalId: string) => number;
  /** a broken way is given up about now: cursors should look */
  onOverdue: () => void;
  clock: Clock;
}

interface Way {
  path: string;
  cost: number;
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
  readonly #cancel: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RouteWatchOptions) {
    this.#options = options;
    this.#cancel = options.routes.onChange(() => this.#look());
  }

  receiptTerms(terminalId: string): ReceiptTerms {
    const { routes, queueMs } = this.#options;
    const { isWhole, changedAtMs, brokenAtMs } = this.#wayOf(terminalId);
    const rttMs = routes.rttTo(terminalId);
    const patienceMs = isWhole
      ? patienceFloorMs + patiencePerRtt * rttMs + queueMs(terminalId)
      : Number.POSITIVE_INFINITY;
    return { patienceMs, changedAtMs, brokenAtMs, shortPatienceMs: shortFloorMs + shortPerRtt * rttMs };
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

  #find(terminalId: string): Pick<Way, 'path' | 'cost' | 'isWhole'> {
    const found = this.#options.routes.path(terminalId);
    if (found === null) return { path: '', cost: Number.POSITIVE_INFINITY, isWhole: false };
    return { path: found.path.join(), cost: found.cost, isWhole: found.isWhole };
  }

  #look(): void {
    const nowMs = this.#options.clock.monotonicMs();
    let hasBroken = false;
    for (const [terminalId, was] of this.#ways) {
      const is = this.#find(terminalId);
      const isOther = is.path !== was.path || is.isWhole !== was.isWhole;
      // a better way may appear while the old one stays; a dearer one is taken only when the old one is worse or gone
      const isBroken = was.isWhole && (!is.isWhole || (is.path !== was.path && is.cost > was.cost));
      hasBroken ||= isBroken;
      const changedAtMs = isOther ? nowMs : was.changedAtMs;
      this.#ways.set(terminalId, { ...is, changedAtMs, brokenAtMs: isBroken ? nowMs : was.brokenAtMs });
    }
    if (hasBroken) this.#callSoon();
  }

  #callSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#options.onOverdue(), shortFloorMs + 20);
  }
}
