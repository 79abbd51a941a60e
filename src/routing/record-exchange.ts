/**
 * Records told and heard: signs and numbers this terminal's own, floods what is newer to every other link, tells a
 * neighbour everything when its link comes up. No timers and no sockets of its own; the simulator runs it as it is.
 *
 * A terminal that hears a higher sequence under its own name had an earlier life: it goes on after that at once.
 */
import type { Clock } from '../clock.ts';
import type { SignFn } from '../envelope/index.ts';
import { LinkStateDb, type LinkStateDbOptions, type TakeResult } from './link-state-db.ts';
import type { RecordReader } from './record-reader.ts';
import {
  type LinkEntry,
  type LoadEntry,
  maxSequence,
  type RecordHead,
  type RoutingRecord,
  signRecord,
} from './records.ts';
import { TokenBucket } from './token-bucket.ts';

/** Sequences survive a restart: `first` is above every one that may have been used. */
export interface SequenceStore {
  first: number;
  /** sequences below `next` may be used from now on; failing to store it costs a repeat of what a neighbour tells */
  reserve: (next: number) => void;
}

export interface RecordExchangeOptions {
  customerId: string;
  selfId: string;
  clock: Clock;
  sign: SignFn;
  /** what records are written in; the newest where it is absent */
  format?: () => number;
  configOf: LinkStateDbOptions['configOf'];
  /** hands a record to a link that is up */
  send: (linkId: string, bytes: Uint8Array) => void;
  /** what became of each record heard */
  onTaken?: (result: TakeResult, bytes: Uint8Array) => void;
  sequence?: SequenceStore;
  reader?: RecordReader;
  refreshMs?: number;
  lifeMs?: number;
}

interface OwnRecord {
  sequence: number;
  bytes: Uint8Array;
  toldMs: number;
}

type Content = { kind: 'links'; links: LinkEntry[] } | { kind: 'load'; load: LoadEntry[] };

/** Half of what a neighbour takes, see link-state-db.ts. */
const burst = 20;
const perSecond = 5;
const reserveAhead = 1_000;

export class RecordExchange {
  readonly #options: RecordExchangeOptions;
  readonly #upLinks = new Set<string>();
  readonly #own = new Map<RecordHead['kind'], OwnRecord>();
  readonly #content = new Map<RecordHead['kind'], Content>();
  readonly #untold = new Set<RecordHead['kind']>();
  readonly #bucket: TokenBucket;
  readonly db: LinkStateDb;
  #nextSequence: number;
  #reserved = 0;

  constructor(options: RecordExchangeOptions) {
    const { customerId, selfId, clock, configOf, lifeMs, reader } = options;
    this.#options = options;
    this.#nextSequence = options.sequence?.first ?? 1;
    this.#bucket = new TokenBucket(burst, perSecond, clock.monotonicMs());
    this.db = new LinkStateDb({
      customerId,
      selfId,
      clock,
      configOf,
      ownRecord: (kind) => this.#own.get(kind),
      ...(lifeMs === undefined ? {} : { lifeMs }),
      ...(reader === undefined ? {} : { reader }),
    });
  }

  /** The neighbour hears everything: it may come back from a long way off. */
  linkUp(linkId: string): void {
    if (this.#upLinks.has(linkId)) return;
    this.#upLinks.add(linkId);
    const { send } = this.#options;
    for (const { bytes } of this.#own.values()) send(linkId, bytes);
    for (const { bytes } of this.db.all()) send(linkId, bytes);
  }

  linkDown(linkId: string): void {
    this.#upLinks.delete(linkId);
  }

  announceLinks(links: LinkEntry[]): void {
    this.#announce({ kind: 'links', links });
  }

  announceLoad(load: LoadEntry[]): void {
    this.#announce({ kind: 'load', load });
  }

  /** Everything of this terminal again, under new sequences: what others could not take before, they take now. */
  repeat(): void {
    for (const content of this.#content.values()) this.#announce(content);
  }

  /** A record from a neighbour; what it says when it is newer than what was known, else undefined. */
  take(linkId: string, bytes: Uint8Array): { record: RoutingRecord; isNews: boolean } | undefined {
    const result = this.db.take(linkId, bytes);
    this.#options.onTaken?.(result, bytes);
    if (result.outcome === 'own') this.#outlive(result.record);
    // a neighbour that is behind, or a terminal that began anew, learns what there is
    const newer = result.outcome === 'refused' && result.reason === 'stale' ? this.db.newerThan(bytes) : undefined;
    if (newer !== undefined) this.#options.send(linkId, newer);
    if (result.outcome !== 'newer') return undefined;
    this.#flood(this.db.get(result.record.kind, result.record.terminalId)?.bytes ?? bytes, linkId);
    return { record: result.record, isNews: result.isNews };
  }

  /** Tells what had to wait, refreshes, forgets what has aged. True when something was forgotten. */
  tick(): boolean {
    const { clock, refreshMs = 60_000 } = this.#options;
    for (const [kind, own] of this.#own) {
      if (clock.monotonicMs() - own.toldMs >= refreshMs) this.#untold.add(kind);
    }
    for (const kind of [...this.#untold]) this.#tell(kind);
    return this.db.expire();
  }

  #announce(content: Content): void {
    this.#content.set(content.kind, content);
    this.#untold.add(content.kind);
    this.#tell(content.kind);
  }

  /** Signs and floods, unless this terminal has told much of late: then the next tick does. */
  #tell(kind: RecordHead['kind']): void {
    const { customerId, selfId, clock, sign, format } = this.#options;
    const content = this.#content.get(kind);
    if (content === undefined || !this.#bucket.take(clock.monotonicMs())) return;
    this.#untold.delete(kind);
    const head = { customerId, terminalId: selfId, sequence: this.#takeSequence() };
    const bytes = signRecord({ ...head, ...content }, sign, format?.());
    this.#own.set(kind, { sequence: head.sequence, bytes, toldMs: clock.monotonicMs() });
    this.#flood(bytes, null);
  }

  #takeSequence(): number {
    const sequence = this.#nextSequence;
    if (sequence >= this.#reserved) {
      this.#reserved = sequence + reserveAhead;
      this.#options.sequence?.reserve(this.#reserved);
    }
    this.#nextSequence = sequence + 1;
    return sequence;
  }

  #outlive({ kind, sequence }: RoutingRecord): void {
    if (sequence >= this.#nextSequence) this.#nextSequence = Math.min(sequence + 1, maxSequence);
    const content = this.#content.get(kind);
    if (content !== undefined) this.#announce(content);
  }

  #flood(bytes: Uint8Array, except: string | null): void {
    for (const linkId of this.#upLinks) if (linkId !== except) this.#options.send(linkId, bytes);
  }
}
