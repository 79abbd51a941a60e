/**
 * The newest record of each terminal of one customer, as far as this terminal has heard. What does not hold is refused
 * and counted by its reason, cheapest check first, so that a neighbour that floods rubbish costs little; the tables are
 * bounded by the configuration, whatever arrives.
 *
 * A record that was not refreshed for `lifeMs` does not count any more. It is kept all the same: an older one that
 * somebody saved does not come back, and its terminal, should it begin anew, is told where it had come to.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { MAX_CONTROL_BYTES } from '../envelope/index.ts';
import { isBusError } from '../errors.ts';
import { RecordReader } from './record-reader.ts';
import { type DecodedRecord, peekRecord, type RecordHead, type RoutingRecord } from './records.ts';
import { TokenBucket } from './token-bucket.ts';

export type RefusedReason =
  /** not a record of this format */
  | 'malformed'
  | 'other-customer'
  /** no terminal of the configuration, or one that never registered */
  | 'unknown-terminal'
  /** older than what is known: late, or played again */
  | 'stale'
  /** many more entries than the terminal has links or groups */
  | 'inflated'
  /** too many of one terminal over one link */
  | 'rate'
  /** forged, or changed on the way */
  | 'signature';

export type TakeResult =
  /** `isNews`: it says something else than the one before */
  | { outcome: 'newer'; record: RoutingRecord; isNews: boolean }
  /** of this terminal itself: an earlier life of it, or what it sent; verified */
  | { outcome: 'own'; record: RoutingRecord }
  | { outcome: 'known' }
  | { outcome: 'refused'; reason: RefusedReason };

export interface LinkStateDbOptions {
  customerId: string;
  selfId: string;
  clock: Clock;
  /** undefined for a terminal the configuration does not know, or that never registered */
  configOf: (terminalId: string) => KnownTerminal | undefined;
  /** the newest of this terminal's own records */
  ownRecord: (kind: RecordHead['kind']) => { sequence: number; bytes: Uint8Array } | undefined;
  lifeMs?: number;
  /** simulations share one that remembers */
  reader?: RecordReader;
}

export interface KnownTerminal {
  /** Ed25519 public key, base64url */
  signKey: string;
  /** how many of each the configuration gives it */
  links: number;
  groups: number;
}

export interface StoredRecord {
  record: RoutingRecord;
  bytes: Uint8Array;
  /** this terminal's clock */
  heardMs: number;
}

interface Slot {
  /** of a terminal with a new key nothing old counts */
  signKey: string;
  sequence: number;
  stored: StoredRecord;
  isExpired: boolean;
}

/** An honest terminal stays far below, see record-exchange.ts. */
const burst = 40;
const perSecond = 10;
/** entries beyond the configuration that an unequal snapshot may explain */
const slack = 16;

export class LinkStateDb {
  readonly #options: LinkStateDbOptions;
  readonly #slots = { links: new Map<string, Slot>(), load: new Map<string, Slot>() };
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #reader: RecordReader;

  constructor(options: LinkStateDbOptions) {
    this.#options = options;
    this.#reader = options.reader ?? new RecordReader();
  }

  /** Judges what a neighbour sent over a link; keeps it when it is newer. */
  take(linkId: string, bytes: Uint8Array): TakeResult {
    const { customerId, configOf } = this.#options;
    const head = peek(bytes);
    if (head === undefined) return refused('malformed');
    if (head.customerId !== customerId) return refused('other-customer');
    const config = configOf(head.terminalId);
    if (config === undefined) return refused('unknown-terminal');
    const early = this.#judgeSequence(head, config, bytes);
    if (early !== undefined) return early;
    if (!this.#mayTake(linkId, head.terminalId)) return refused('rate');
    const decoded = attempt(() => this.#reader.decode(bytes));
    if (decoded === undefined) return refused('malformed');
    if (isInflated(decoded.record, config)) return refused('inflated');
    if (!this.#reader.isSigned(decoded, config.signKey)) return refused('signature');
    return this.#keep(decoded, config);
  }

  /** The newest record of a terminal, undefined when none is known or it has aged. */
  get<K extends RecordHead['kind']>(
    kind: K,
    terminalId: string,
  ): (StoredRecord & { record: Extract<RoutingRecord, { kind: K }> }) | undefined {
    const slot = this.#slots[kind].get(terminalId);
    if (slot === undefined || slot.isExpired) return undefined;
    return slot.stored as (StoredRecord & { record: Extract<RoutingRecord, { kind: K }> }) | undefined;
  }

  /** Everything, to be told to a neighbour whose link came up. */
  *all(): Iterable<StoredRecord> {
    for (const slots of [this.#slots.links, this.#slots.load]) {
      for (const { stored, isExpired } of slots.values()) if (!isExpired) yield stored;
    }
  }

  /** The newest bytes ever heard of the record that these are an older version of. */
  newerThan(bytes: Uint8Array): Uint8Array | undefined {
    const head = peek(bytes);
    return head && this.#slots[head.kind].get(head.terminalId)?.stored.bytes;
  }

  /** Forgets what was not refreshed, and terminals the configuration has no more. True when something went. */
  expire(): boolean {
    const { clock, configOf, lifeMs = 300_000 } = this.#options;
    const deadline = clock.monotonicMs() - lifeMs;
    let isChanged = false;
    for (const slots of [this.#slots.links, this.#slots.load]) {
      for (const [terminalId, slot] of slots) {
        const isGone = configOf(terminalId) === undefined;
        if (isGone) slots.delete(terminalId);
        if (slot.isExpired || (!isGone && slot.stored.heardMs > deadline)) continue;
        slot.isExpired = true;
        isChanged = true;
      }
    }
    return isChanged;
  }

  #judgeSequence(head: RecordHead, { signKey }: KnownTerminal, bytes: Uint8Array): TakeResult | undefined {
    if (head.terminalId === this.#options.selfId) {
      const own = this.#options.ownRecord(head.kind);
      if (own === undefined || head.sequence > own.sequence) return undefined;
      const isTwin = head.sequence === own.sequence && !Buffer.from(own.bytes).equals(bytes);
      return isTwin ? undefined : { outcome: 'known' };
    }
    const slot = this.#slots[head.kind].get(head.terminalId);
    if (slot === undefined || slot.signKey !== signKey || head.sequence > slot.sequence) return undefined;
    return head.sequence === slot.sequence ? { outcome: 'known' } : refused('stale');
  }

  #keep({ record, bytes }: DecodedRecord, { signKey }: KnownTerminal): TakeResult {
    if (record.terminalId === this.#options.selfId) return { outcome: 'own', record };
    const stored = { record, bytes, heardMs: this.#options.clock.monotonicMs() };
    const slots = this.#slots[record.kind];
    const before = this.get(record.kind, record.terminalId);
    slots.set(record.terminalId, { signKey, sequence: record.sequence, stored, isExpired: false });
    return { outcome: 'newer', record, isNews: before === undefined || !hasSameContent(before.record, record) };
  }

  #mayTake(linkId: string, terminalId: string): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const key = `${linkId} ${terminalId}`;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(burst, perSecond, nowMs);
      this.#buckets.set(key, bucket);
    }
    return bucket.take(nowMs);
  }
}

function refused(reason: RefusedReason): TakeResult {
  return { outcome: 'refused', reason };
}

function hasSameContent(a: RoutingRecord, b: RoutingRecord): boolean {
  return isDeepStrictEqual({ ...a, sequence: 0 }, { ...b, sequence: 0 });
}

function isInflated(record: RoutingRecord, { links, groups }: KnownTerminal): boolean {
  return record.kind === 'links' ? record.links.length > links + slack : record.load.length > groups + slack;
}

function peek(bytes: Uint8Array): RecordHead | undefined {
  return bytes.length > MAX_CONTROL_BYTES ? undefined : attempt(() => peekRecord(bytes));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isBusError(error)) return undefined;
    throw error;
  }
}
