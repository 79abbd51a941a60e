/**
 * Remembers, per terminal that is sent to, since when the way there is as it is and when the way before it broke, so that
 * receipts are waited for as long as they can be expected and no longer. While links on the way are down there is no limit.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ReceiptTerms } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import type { Routes } from '../routing/index.ts';

export interface RouteWatchOptions {
  routes: Pick<Routes, 'path' | 'isPathUp' | 'rttTo' | 'onChange'>;
  /** how long what is on its way to the terminal's next hop may take, milliseconds */
  queueMs: (terminalId: string) => number;
  /** a broken way is given up about now: cursors should look */
  onOverdue: () => void;
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

  #find(terminalId: string): Pick<Way, 'path' | 'isWhole'> {
    const found = this.#options.routes.path(terminalId);
    return { path: found?.path ?? [], isWhole: found?.isWhole ?? false };
  }

  #look(): void {
    const nowMs = this.#options.clock.monotonicMs();
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

  #callSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#options.onOverdue(), shortFloorMs + 20);
  }
}
