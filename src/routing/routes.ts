/**
 * Which link leads to a terminal now, and which terminal serves a group: one customer, as one of its terminals sees it.
 *
 * Paths run over the configured links alone. A link counts as up while both its ends say so: an own one by its session and
 * the peer's newest record, if there is one; another by two records. An own link that is down is never used; one of others
 * that is down is used when nothing else leads there, so that envelopes travel as far as they can: such a path is not
 * whole. Searches run when somebody asks after a change.
 */
import type { SnapshotCustomer, SnapshotGroup } from '../api/snapshot.ts';
import type { Clock } from '../clock.ts';
import type { SignFn } from '../envelope/index.ts';
import { type Candidate, GroupChoice } from './group-choice.ts';
import { linkMilli } from './link-cost.ts';
import type { TakeResult } from './link-state-db.ts';
import { type KnownLoad, LoadTable } from './load-table.ts';
import { OwnLinks } from './own-links.ts';
import type { FoundPath } from './paths.ts';
import { RecordExchange, type SequenceStore } from './record-exchange.ts';
import type { LinkEntry, LoadEntry } from './records.ts';
import { Topology } from './topology.ts';

export interface RoutesOptions {
  clock: Clock;
  sign: SignFn;
  /** what records are written in; the newest where it is absent */
  format?: () => number;
  /** hands a record to a link */
  send: (linkId: string, bytes: Uint8Array) => void;
  sequence?: SequenceStore;
  onTaken?: (result: TakeResult, bytes: Uint8Array) => void;
  /** runs work soon, once for many changes; setImmediate by default */
  defer?: (work: () => void) => void;
}

export interface NextHop {
  linkId: string;
  terminalId: string;
  /** every link of the path is up now, as far as records tell */
  isWhole: boolean;
}

/** What a link's session measured. */
export interface LinkFacts {
  state: 'up' | 'degraded' | 'silent' | 'down';
  /** smoothed, null until measured */
  rttMs: number | null;
  jitterMs: number;
  /** 0 to 1 of the last hellos */
  lossRatio: number;
  /** how long what waits for the link will take */
  backlogMs: number;
}

/** A row of `mbus routes`. */
export interface RouteRow {
  terminalId: string;
  /** terminal ids, this one first; null without a path */
  path: string[] | null;
  cost: number | null;
  isWhole: boolean;
  nextHop: string | null;
  rttMs: number;
  /** since the terminal's newest link-state record was heard, null without one */
  recordAgeMs: number | null;
}

/** After a new configuration others may still have the old one, and refuse what is new in it: it is told again. */
const repeatAfterMs = 7_000;

export class Routes {
  readonly #options: RoutesOptions;
  readonly #own = new OwnLinks();
  readonly #load = new LoadTable();
  readonly #choice = new GroupChoice();
  readonly #listeners = new Set<() => void>();
  readonly #lostAtMs = new Map<string, number>();
  readonly #exchange: RecordExchange;
  #customer: SnapshotCustomer;
  #topology: Topology;
  #isFresh = false;
  #isNewsQueued = false;
  #isTellQueued = false;
  #repeatAtMs = Number.POSITIVE_INFINITY;

  constructor(customer: SnapshotCustomer, options: RoutesOptions) {
    const { clock, sign, format, send, sequence, onTaken } = options;
    this.#options = options;
    this.#customer = customer;
    this.#topology = new Topology(customer);
    this.#exchange = new RecordExchange({
      customerId: customer.id,
      selfId: customer.terminalId,
      clock,
      sign,
      send,
      configOf: (terminalId) => this.#topology.configOf(terminalId),
      ...(format === undefined ? {} : { format }),
      ...(sequence === undefined ? {} : { sequence }),
      ...(onTaken === undefined ? {} : { onTaken }),
    });
  }

  configure(customer: SnapshotCustomer): void {
    this.#customer = customer;
    const topology = new Topology(customer);
    const isSame = topology.fingerprint === this.#topology.fingerprint;
    this.#topology = topology;
    for (const linkId of this.#own.linkIds) if (!topology.hasLink(linkId)) this.#forgetLink(linkId);
    this.#choice.forget((groupId) => topology.hasGroup(groupId));
    this.#changed();
    if (isSame) return;
    this.#tellLinks();
    this.#exchange.repeat();
    this.#repeatAtMs = this.#now() + repeatAfterMs;
  }

  /** What the link's session says: at each change of state, and about once a second. */
  linkChanged(linkId: string, facts: LinkFacts): void {
    const operatorCost = this.#topology.operatorCost(linkId);
    const wasUp = this.#own.isUp(linkId);
    const isNews = this.#own.update(linkId, operatorCost, facts, this.#now());
    const isUp = this.#own.isUp(linkId);
    if (wasUp && !isUp) this.#exchange.linkDown(linkId);
    if (isUp && !wasUp) this.#exchange.linkUp(linkId);
    if (!isNews) return;
    this.#changed();
    this.#tellLinks();
  }

  /** A link-state or load record, from the neighbour at the other end of the link. */
  takeRecord(linkId: string, bytes: Uint8Array): void {
    const heard = this.#exchange.take(linkId, bytes);
    if (heard?.record.kind === 'load') this.#load.set(heard.record.terminalId, heard.record.load, this.#now());
    else if (heard?.isNews) this.#changed();
  }

  /** What the groups that live here have; told to the others when it is worth it. Call it as often as it is measured. */
  announceLoad(rows: readonly LoadEntry[]): void {
    this.#load.set(this.#customer.terminalId, rows, this.#now());
    if (this.#load.isWorthTelling(rows, this.#now())) this.#exchange.announceLoad([...rows]);
  }

  /** What a terminal last said of a group, null when it said nothing lately. */
  loadOf(groupId: string, terminalId: string): KnownLoad | null {
    return this.#load.get(groupId, terminalId, this.#now());
  }

  /** Every half second or so: refreshes what is told, forgets what is old. */
  tick(): void {
    if (this.#now() >= this.#repeatAtMs) {
      this.#repeatAtMs = Number.POSITIVE_INFINITY;
      this.#exchange.repeat();
    }
    if (!this.#exchange.tick()) return;
    const { terminalId: self } = this.#customer;
    this.#load.keepOnly((id) => id === self || this.#exchange.db.get('load', id) !== undefined);
    this.#changed();
  }

  /** The own link to send on, which is up; see `path`. Null when there is no path. */
  nextHop(terminalId: string, avoid: readonly string[] = [], shun: readonly string[] = []): NextHop | null {
    const found = this.#find(terminalId, avoid, shun);
    if (found === undefined || found.nextHop === null) return null;
    const linkId = this.#topology.ownLinkTo(found.nextHop);
    return linkId === undefined ? null : { linkId, terminalId: found.nextHop, isWhole: found.isWhole };
  }

  /** Terminal ids, this one first; none in `avoid` is on the way, and none in `shun` where a whole path goes around it. */
  path(
    terminalId: string,
    avoid: readonly string[] = [],
    shun: readonly string[] = [],
  ): { path: string[]; cost: number; isWhole: boolean } | null {
    const found = this.#find(terminalId, avoid, shun);
    return found === undefined ? null : { path: found.path, cost: found.cost / 1_000, isWhole: found.isWhole };
  }

  /** Whether every link of a path is up, as far as records tell. */
  isPathUp(path: readonly string[]): boolean {
    this.#refresh();
    return path.slice(1).every((id, index) => this.#topology.isUp(path[index]!, id));
  }

  /** A first hop is up; whether the rest is, `path` tells. */
  isReachable(terminalId: string): boolean {
    return this.nextHop(terminalId) !== null;
  }

  /** Round trip over a path in milliseconds, 0 when unknown. */
  rttOver(path: readonly string[]): number {
    return path.slice(1).reduce((sum, id, index) => sum + this.#topology.rttMs(path[index]!, id), 0);
  }

  /** It was removed from the configuration, or an operator gave it up: nothing is owed to it any more. */
  isGone(terminalId: string): boolean {
    return this.#topology.isGone(terminalId);
  }

  /** Since when no whole path leads there, milliseconds; null while one does. A terminal that is not configured is lost. */
  lostForMs(terminalId: string): number | null {
    this.#refresh();
    if (this.#topology.configOf(terminalId) === undefined) return Number.POSITIVE_INFINITY;
    const lostAtMs = this.#lostAtMs.get(terminalId);
    return lostAtMs === undefined ? null : this.#now() - lostAtMs;
  }

  /** Calls back, soon and once for many changes, when paths may have changed. Returns the way to end it. */
  onChange(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** The terminal for a group's next messages; one that never registered is better than none: the messages wait for it. */
  choose(group: SnapshotGroup, current: string | null): string | null {
    const registered = group.terminals.filter((id) => this.#topology.configOf(id) !== undefined && !this.isGone(id));
    if (registered.length === 0) return current ?? group.terminals[0] ?? null;
    const candidates = registered.map((id) => this.#candidate(group, id));
    return this.#choice.choose(group, candidates, current, this.#now());
  }

  /** Whole paths that share no link and no terminal but the ends, cheapest first: what may fail without cutting it off. */
  alternatives(terminalId: string): { path: string[]; cost: number }[] {
    this.#refresh();
    return this.#topology.disjointPaths(terminalId).map(({ path, cost }) => ({ path, cost: cost / 1_000 }));
  }

  table(): RouteRow[] {
    const { terminals, terminalId: self } = this.#customer;
    this.#refresh();
    return terminals
      .filter(({ id }) => id !== self)
      .map(({ id }) => {
        const found = this.#find(id, []);
        const heardMs = this.#exchange.db.get('links', id)?.heardMs;
        return {
          terminalId: id,
          path: found?.path ?? null,
          cost: found === undefined ? null : found.cost / 1_000,
          isWhole: found?.isWhole ?? false,
          nextHop: found?.nextHop ?? null,
          rttMs: this.rttOver(found?.path ?? []),
          recordAgeMs: heardMs === undefined ? null : this.#now() - heardMs,
        };
      });
  }

  /** What an own link costs now, operator's part included; null while it is not up. */
  costOf(linkId: string): number | null {
    const entry = this.#own.entry(linkId);
    return entry === undefined ? null : linkMilli(this.#topology.operatorCost(linkId), entry.extraMilli) / 1_000;
  }

  #candidate(group: SnapshotGroup, terminalId: string): Candidate {
    const found = this.#find(terminalId, []);
    const site = this.#topology.siteOf(terminalId);
    const load = this.loadOf(group.id, terminalId);
    return {
      terminalId,
      cost: found === undefined ? Number.POSITIVE_INFINITY : found.cost / 1_000,
      isWhole: found?.isWhole ?? false,
      lostForMs: this.lostForMs(terminalId),
      isDraining: (load?.isDraining ?? false) || this.#topology.isDraining(terminalId),
      load,
      idleForMs: this.#load.idleForMs(group.id, terminalId, this.#now()),
      tie: group.policy === 'spread' ? this.#topology.scatter(terminalId) : site,
    };
  }

  #find(terminalId: string, avoid: readonly string[], shun: readonly string[] = []): FoundPath | undefined {
    this.#refresh();
    const around = shun.length === 0 ? undefined : this.#topology.find(terminalId, [...avoid, ...shun]);
    return around?.isWhole === true ? around : this.#topology.find(terminalId, avoid);
  }

  /** Brings the weights of the links in line with what is known, if anything changed since. */
  #refresh(): void {
    if (this.#isFresh) return;
    this.#isFresh = true;
    const { db } = this.#exchange;
    this.#topology.update(
      (linkId) => this.#own.entry(linkId),
      (terminalId) => db.get('links', terminalId)?.record.links,
    );
    for (const { id } of this.#customer.terminals) {
      if (this.#topology.find(id, [])?.isWhole === true) this.#lostAtMs.delete(id);
      else if (!this.#lostAtMs.has(id)) this.#lostAtMs.set(id, this.#now());
    }
  }

  #forgetLink(linkId: string): void {
    this.#own.remove(linkId);
    this.#exchange.linkDown(linkId);
  }

  /** Many links that change together are one record. */
  #tellLinks(): void {
    if (this.#isTellQueued) return;
    this.#isTellQueued = true;
    this.#defer(() => {
      this.#isTellQueued = false;
      const links: LinkEntry[] = this.#own.entries().filter(({ linkId }) => this.#topology.hasLink(linkId));
      this.#exchange.announceLinks(links);
    });
  }

  #changed(): void {
    this.#isFresh = false;
    if (this.#isNewsQueued) return;
    this.#isNewsQueued = true;
    this.#defer(() => {
      this.#isNewsQueued = false;
      for (const listener of this.#listeners) listener();
    });
  }

  #defer(work: () => void): void {
    const { defer = setImmediate } = this.#options;
    defer(work);
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }
}
