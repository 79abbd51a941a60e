/**
 * The one reader of the bus's status for all open pages: twice a second while somebody looks, every five seconds for the
 * history while nobody does, and never more than half of the time. A status that cannot be read is told as trouble,
 * once per change, and tried again.
 */
import { systemClock } from '../clock.ts';
import { type BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { databaseError } from '../registry/index.ts';
import { type Status, stuckThings } from '../status/index.ts';
import { LagHistory, type LagSeries, sampleEveryMs } from './history.ts';
import { Traffic } from './traffic.ts';
import { type ConsoleView, consoleView } from './view.ts';

export type FeedEvent = { kind: 'view'; json: string } | { kind: 'trouble'; json: string };
export type FeedListener = (event: FeedEvent) => void;

export interface FeedOptions {
  read: () => Promise<Status>;
  log: Logger;
}

const watchedEveryMs = 500;
/** ages in a view grow: it is told anew after so long even when nothing has changed */
const tellAgainMs = 2_000;

export class Feed {
  readonly #options: FeedOptions;
  readonly #history = new LagHistory();
  readonly #traffic = new Traffic();
  readonly #listeners = new Set<FeedListener>();
  #latest: FeedEvent | undefined;
  /** what the page was last told, without what only ages */
  #told = '';
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #sampledAtMs = Number.NEGATIVE_INFINITY;
  #wake: AbortController | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Calls back with what is known at once, then with each change; returns what ends it. */
  subscribe(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    if (this.#latest !== undefined) listener(this.#latest);
    this.#wake?.abort();
    return () => this.#listeners.delete(listener);
  }

  lagOf(group: string): LagSeries {
    return this.#history.of(group);
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const beganMs = systemClock.monotonicMs();
      await this.#look();
      const tookMs = systemClock.monotonicMs() - beganMs;
      const everyMs = this.#listeners.size > 0 ? watchedEveryMs : sampleEveryMs;
      await this.#sleep(Math.max(everyMs, tookMs), signal);
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    await systemClock.sleep(ms, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
    this.#wake = undefined;
  }

  async #look(): Promise<void> {
    try {
      const status = await this.#options.read();
      const nowMs = systemClock.wallMs();
      this.#take(status, nowMs);
    } catch (error) {
      this.#tellTrouble(isBusError(error) ? error : databaseError(error, 'reading the status'));
    }
  }

  #take(status: Status, nowMs: number): void {
    const stuck = stuckThings(status, nowMs);
    const view = consoleView({ status, stuck, rates: this.#traffic.take(status, nowMs), atMs: nowMs });
    const atMs = systemClock.monotonicMs();
    if (atMs - this.#sampledAtMs >= sampleEveryMs - watchedEveryMs / 2) {
      this.#sampledAtMs = atMs;
      this.#history.add(nowMs, view.groups);
    }
    const facts = JSON.stringify([
      status.version,
      status.sites.map(({ state, report }) => [state, report]),
      view.stuck,
    ]);
    if (facts === this.#told && atMs - this.#toldAtMs < tellAgainMs) return;
    this.#told = facts;
    this.#toldAtMs = atMs;
    this.#tell({ kind: 'view', json: JSON.stringify(view satisfies ConsoleView) });
  }

  #tellTrouble({ code, message }: BusError): void {
    if (this.#told === code) return;
    this.#told = code;
    this.#options.log.warn({ event: 'console.no-status', code }, message);
    this.#tell({ kind: 'trouble', json: JSON.stringify({ code, message }) });
  }

  #tell(event: FeedEvent): void {
    this.#latest = event;
    for (const listener of this.#listeners) listener(event);
  }
}
