/**
 * What a terminal carries for others, on its way to the next hops. Entries wait in one lane per flow and destination;
 * lanes take turns on each link with little under way, so a long backlog of one delays no other. A frame that has just
 * arrived is sent from memory, the others are read from the cache when it is their turn; memory is bounded by both.
 *
 *   enqueue ▶ lane ─next hop known─▶ ring of the link ─room─▶ sending ─stored there─▶ done (all destinations: removed)
 *               ▲   └ none: waits for routes.onChange            │
 *               └────────────── link down, busy: in front again ─┘ refused three times, or stalled in a full cache: released
 *
 * Releasing is safe: the origin keeps custody and sends again when the receipt stays out.
 */
import { backoffMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { decodeFrame, encodeFrame } from '../envelope/index.ts';
import { errorText, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Lane } from './lane.ts';
import { isWaiting, type TransitEntry } from './transit-entry.ts';

/** The way to a terminal, as routing sees it now. */
export interface TransitRoutes {
  /** over no terminal in `avoid`, and over none in `shun` where a whole way goes around it */
  nextHop(
    terminalId: string,
    avoid?: readonly string[],
    shun?: readonly string[],
  ): { linkId: string; terminalId: string } | null;
  onChange(callback: () => void): () => void;
}

/** A link, as far as forwarding needs it. */
export interface TransitLink {
  readonly windowBytes: number;
  /** E_LINK_DOWN E_PEER_BUSY E_PEER_REFUSED E_TIMEOUT */
  send(frame: Uint8Array, lane?: string): Promise<void>;
}

export interface ForwarderOptions {
  terminalId: string;
  /** what the head of a frame is written in, see envelope/formats.ts */
  format: () => number;
  routes: TransitRoutes;
  links: ReadonlyMap<string, TransitLink>;
  /** the frame of an entry that is not in memory; null when the cache has lost it */
  read: (seq: number) => Promise<Uint8Array | null>;
  /** nothing of it is left to do here */
  onDone: (entry: TransitEntry) => void;
  /** the next hop of these destinations has it */
  onForwarded: (entry: TransitEntry, terminalIds: readonly string[], bytes: number) => void;
  onReleased: (entry: TransitEntry, terminalId: string, reason: string) => void;
  /** 0 to 1 */
  fill: () => number;
  /** whether the configuration has this terminal */
  isTerminal: (terminalId: string) => boolean;
  clock: Clock;
  log: Logger;
  /** how long the oldest of a lane may be stuck in a cache that is nearly full */
  stalledAfterMs?: number;
}

const leastUnderWay = 1024 * 1024;
const mostUnderWay = 16 * 1024 * 1024;
const laneFrames = 32;
const maxRefusals = 3;
const failuresBeforeTail = 3;
const maxRestMs = 2_000;
const fullAt = 0.8;
/** until routes know it too */
const linkDownRestMs = 20;

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #lanes = new Map<string, Lane>();
  /** lanes whose turn comes on a link, in order */
  readonly #rings = new Map<string, Lane[]>();
  readonly #underWay = new Map<string, number>();
  readonly #cancel: () => void;
  #isStopped = false;
  #isPumpQueued = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cancel = options.routes.onChange(() => this.reroute());
  }

  enqueue(entry: TransitEntry): void {
    for (const terminalId of entry.left.keys()) this.#laneOf(entry, terminalId).insert(entry);
    for (const terminalId of entry.left.keys()) this.#place(this.#laneOf(entry, terminalId));
    this.#queuePump();
  }

  /** Takes back what nobody has taken yet, as when storing it failed. */
  withdraw(entry: TransitEntry): void {
    if (entry.left.size === 0) return;
    entry.isWithdrawn = true;
    for (const [terminalId, state] of entry.left) if (!state.isSending) entry.left.delete(terminalId);
    if (entry.left.size === 0) this.#options.onDone(entry);
  }

  /** Paths or links changed: every lane looks for its next hop again. */
  reroute(): void {
    this.#rings.clear();
    for (const lane of this.#lanes.values()) {
      lane.isPlaced = false;
      this.#place(lane);
    }
    this.#queuePump();
  }

  /** Called now and then: gives up what is for a terminal that is gone, can only go back, or is stuck while the cache is nearly full. */
  sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const isFull = this.#options.fill() > fullAt;
    for (const lane of [...this.#lanes.values()]) {
      const entry = lane.peek();
      if (entry === undefined || lane.stuckSinceMs === undefined) continue;
      if (!this.#options.isTerminal(lane.terminalId)) this.#releaseAll(lane, 'its terminal is gone');
      if (nowMs - lane.stuckSinceMs < (this.#options.stalledAfterMs ?? 30_000)) continue;
      const canOnlyGoBack = this.#hopOf(entry, lane) === null && this.#isReachable(lane);
      if (canOnlyGoBack) this.#release(lane, entry, 'every way leads back');
      else if (isFull && lane.failures > 0) this.#release(lane, entry, 'stalled in a full cache');
    }
  }

  /** Entries that wait or are under way, by lane. */
  get waiting(): number {
    let sum = 0;
    for (const lane of this.#lanes.values()) sum += lane.size;
    return sum;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
    this.#lanes.clear();
    this.#rings.clear();
  }

  #laneOf(entry: TransitEntry, terminalId: string): Lane {
    const groups = entry.index.assignments.filter((each) => each.terminalId === terminalId);
    // by group, so that one without room holds back no other of its terminal
    const key = `${entry.flow} ${terminalId} ${groups.map(({ groupId }) => groupId)}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key, terminalId);
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** Puts a lane into the ring of the link its oldest entry goes to; it waits when there is none. */
  #place(lane: Lane): void {
    if (lane.isPlaced || lane.timer !== undefined) return;
    const entry = lane.peek();
    if (entry === undefined) {
      if (lane.underWay === 0 && this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key);
      return;
    }
    if (lane.underWay >= laneFrames) return;
    const hop = this.#hopOf(entry, lane);
    if (hop === null) {
      lane.stuckSinceMs ??= this.#options.clock.monotonicMs();
      return;
    }
    lane.isPlaced = true;
    const ring = this.#rings.get(hop.linkId);
    if (ring === undefined) this.#rings.set(hop.linkId, [lane]);
    else ring.push(lane);
  }

  #queuePump(): void {
    if (this.#isPumpQueued || this.#isStopped) return;
    this.#isPumpQueued = true;
    queueMicrotask(() => {
      this.#isPumpQueued = false;
      for (const linkId of [...this.#rings.keys()]) this.#pump(linkId);
    });
  }

  #pump(linkId: string): void {
    const link = this.#options.links.get(linkId);
    const ring = this.#rings.get(linkId);
    if (link === undefined || ring === undefined) return;
    const limit = Math.min(mostUnderWay, Math.max(leastUnderWay, 2 * link.windowBytes));
    while (ring.length > 0 && (this.#underWay.get(linkId) ?? 0) < limit) {
      const lane = ring.shift();
      if (lane === undefined) break;
      lane.isPlaced = false;
      if (lane.timer !== undefined) continue;
      const entry = lane.take();
      if (entry !== undefined) void this.#send(linkId, link, lane, entry);
      this.#place(lane);
    }
    if (ring.length === 0 && this.#rings.get(linkId) === ring) this.#rings.delete(linkId);
  }

  /** Sends an entry for every destination that lies behind this link. */
  async #send(linkId: string, link: TransitLink, lane: Lane, entry: TransitEntry): Promise<void> {
    const terminalIds = this.#together(linkId, lane, entry);
    for (const id of terminalIds) {
      const state = entry.left.get(id);
      if (state !== undefined) state.isSending = true;
    }
    lane.underWay += 1;
    this.#underWay.set(linkId, (this.#underWay.get(linkId) ?? 0) + entry.size);
    try {
      const bytes = entry.bytes ?? (entry.seq === null ? null : await this.#options.read(entry.seq));
      if (bytes !== null) await link.send(this.#nextFrame(bytes, terminalIds), lane.key);
      this.#sent(lane, entry, terminalIds, bytes?.length ?? 0);
    } catch (error) {
      this.#failed(lane, entry, terminalIds, error);
    } finally {
      lane.underWay -= 1;
      this.#underWay.set(linkId, (this.#underWay.get(linkId) ?? 0) - entry.size);
      this.#place(lane);
      this.#queuePump();
    }
  }

  /** After a busy answer each destination goes for itself, so that a full one does not hold back the others. */
  #together(linkId: string, lane: Lane, entry: TransitEntry): string[] {
    if (entry.isSplit) return [lane.terminalId];
    return [...entry.left.keys()].filter(
      (id) =>
        id === lane.terminalId ||
        (isWaiting(entry, id) && this.#options.routes.nextHop(id, entry.path, entry.index.shun)?.linkId === linkId),
    );
  }

  #nextFrame(bytes: Uint8Array, destinations: string[]): Uint8Array {
    const frame = decodeFrame(bytes);
    const { terminalId, format } = this.#options;
    const head = { hopLimit: frame.hopLimit - 1, path: [...frame.path, terminalId], destinations };
    return encodeFrame({ ...frame, ...head }, format());
  }

  #sent(lane: Lane, entry: TransitEntry, terminalIds: string[], bytes: number): void {
    lane.failures = 0;
    lane.stuckSinceMs = undefined;
    for (const id of terminalIds) entry.left.delete(id);
    this.#options.onForwarded(entry, terminalIds, bytes);
    if (entry.left.size === 0) this.#options.onDone(entry);
  }

  #failed(lane: Lane, entry: TransitEntry, terminalIds: string[], error: unknown): void {
    if (this.#isStopped) return;
    const { clock, log } = this.#options;
    if (entry.isWithdrawn) for (const id of terminalIds) entry.left.delete(id);
    if (entry.left.size === 0) {
      this.#options.onDone(entry);
      return;
    }
    const isRefused = isBusError(error, 'E_PEER_REFUSED');
    const isBusy = isBusError(error, 'E_PEER_BUSY', 'E_TIMEOUT');
    // in that format it is of no use there any more, and stands in the way of the origin's next copy
    const isUnreadable = isBusError(error, 'E_VERSION_APART');
    if (isRefused) entry.refusals += 1;
    if (isRefused || isBusy || isUnreadable) {
      entry.isSplit = true;
      entry.failures += 1;
    }
    lane.stuckSinceMs ??= clock.monotonicMs();
    for (const id of terminalIds) {
      const state = entry.left.get(id);
      if (state !== undefined) state.isSending = false;
    }
    // one that cannot be stored now must not hold back those behind it for long
    if (entry.failures >= failuresBeforeTail) entry.order = lane.lastOrder + 1;
    for (const id of terminalIds) if (entry.left.has(id)) this.#laneOf(entry, id).insert(entry);
    log.debug({ event: 'transit.not-sent', reason: errorText(error), failures: entry.failures }, 'sends it again');
    if (isUnreadable || entry.refusals >= maxRefusals) this.#release(lane, entry, errorText(error));
    for (const id of terminalIds) this.#rest(this.#laneOf(entry, id), isBusError(error, 'E_LINK_DOWN'));
  }

  /** What was under way together fails together and counts once. */
  #rest(lane: Lane, isLinkDown: boolean): void {
    if (lane.timer !== undefined) return;
    lane.failures += 1;
    const ms = isLinkDown ? linkDownRestMs : backoffMs(lane.failures, 50, maxRestMs);
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      this.#place(lane);
      this.#queuePump();
    }, ms);
  }

  #release(lane: Lane, entry: TransitEntry, reason: string): void {
    lane.drop(entry);
    if (!entry.left.delete(lane.terminalId)) return;
    lane.stuckSinceMs = undefined;
    this.#options.onReleased(entry, lane.terminalId, reason);
    if (entry.left.size === 0) this.#options.onDone(entry);
    this.#place(lane);
    this.#queuePump();
  }

  #releaseAll(lane: Lane, reason: string): void {
    for (let entry = lane.peek(); entry !== undefined; entry = lane.peek()) this.#release(lane, entry, reason);
  }

  #hopOf(entry: TransitEntry, lane: Lane): { linkId: string } | null {
    const { routes, links } = this.#options;
    const hop = routes.nextHop(lane.terminalId, entry.path, entry.index.shun);
    return hop !== null && links.has(hop.linkId) ? hop : null;
  }

  #isReachable(lane: Lane): boolean {
    return this.#options.routes.nextHop(lane.terminalId) !== null;
  }
}
