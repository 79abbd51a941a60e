/**
 * Which link leads to a terminal now, and which terminal serves a group: one customer, as one of its terminals sees it.
 *
 * Paths run over the configured links. An own link that is down is never used; one of others that is down is used when
 * nothing else leads there, so that envelopes travel as far as they can: such a path is not whole. The choice for a group
 * is sticky: it changes when its terminal left the group, or stayed unreachable for `graceMs` while another can be reached.
 */
import type { SnapshotCustomer, SnapshotGroup } from '../api/snapshot.ts';
import type { Clock } from '../clock.ts';
import { type EdgeState, type FoundPath, PathFinder, type PathTree } from './paths.ts';

export interface RoutesOptions {
  clock: Clock;
  graceMs?: number;
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

/** What a terminal says of one group's consumers there. */
export interface GroupLoad {
  consumers: number;
  /** messages that wait for them */
  waiting: number;
  isDraining: boolean;
}

/** Searches with terminals left out are kept until something changes, at most this many. */
const maxDetours = 64;

export class Routes {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #facts = new Map<string, LinkFacts>();
  readonly #lostAtMs = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  readonly #detours = new Map<string, PathTree>();
  #customer: SnapshotCustomer;
  #finder: PathFinder;
  #tree: PathTree | undefined;
  #isNewsQueued = false;

  constructor(customer: SnapshotCustomer, options: RoutesOptions) {
    this.#clock = options.clock;
    this.#graceMs = options.graceMs ?? 3_000;
    this.#customer = customer;
    this.#finder = this.#layOut();
    this.#changed();
  }

  configure(customer: SnapshotCustomer): void {
    this.#customer = customer;
    this.#finder = this.#layOut();
    this.#changed();
  }

  linkChanged(linkId: string, facts: LinkFacts): void {
    this.#facts.set(linkId, facts);
    this.#changed();
  }

  /** The own link to send on, which is up; no terminal in `avoid` is on the way. Null when there is no path. */
  nextHop(terminalId: string, avoid: readonly string[] = []): NextHop | null {
    const found = this.#find(terminalId, avoid);
    const hop = found?.nextHop;
    const { links, terminalId: self } = this.#customer;
    const link = links.find(({ a, b }) => (a === self && b === hop) || (b === self && a === hop));
    if (found === undefined || link === undefined || hop === undefined || hop === null) return null;
    return { linkId: link.id, terminalId: hop, isWhole: found.isWhole };
  }

  /** Terminal ids, this one first. */
  path(terminalId: string): { path: string[]; cost: number; isWhole: boolean } | null {
    const found = this.#find(terminalId, []);
    return found === undefined ? null : { path: found.path, cost: found.cost, isWhole: found.isWhole };
  }

  /** A first hop is up; whether the rest is, `path` tells. */
  isReachable(terminalId: string): boolean {
    return this.nextHop(terminalId) !== null;
  }

  /** Round trip over the path in milliseconds, 0 when unknown. */
  rttTo(terminalId: string): number {
    const hop = this.nextHop(terminalId);
    return hop === null ? 0 : (this.#facts.get(hop.linkId)?.rttMs ?? 0);
  }

  /** Calls back, soon and once for many changes, when paths may have changed. Returns the way to end it. */
  onChange(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** The link to send on for this terminal, null when there is no path. */
  linkTo(terminalId: string): string | null {
    return this.nextHop(terminalId)?.linkId ?? null;
  }

  /** The terminal for a group's next messages; one that never registered is better than none: the messages wait for it. */
  choose(group: SnapshotGroup, current: string | null): string | null {
    const registered = group.terminals.filter((id) =>
      this.#customer.terminals.some((each) => each.id === id && each.signKey !== null),
    );
    if (current !== null && registered.includes(current) && this.#mayStay(current)) return current;
    const whole = registered.filter((id) => this.path(id)?.isWhole === true);
    const best = group.policy === 'ordered' ? whole[0] : this.#nearest(whole);
    if (best !== undefined) return best;
    if (current !== null && registered.includes(current)) return current;
    return this.#nearest(registered) ?? registered[0] ?? group.terminals[0] ?? null;
  }

  #mayStay(terminalId: string): boolean {
    this.#default();
    const lostAtMs = this.#lostAtMs.get(terminalId);
    return lostAtMs === undefined || this.#clock.monotonicMs() - lostAtMs < this.#graceMs;
  }

  #nearest(terminalIds: readonly string[]): string | undefined {
    const rows = terminalIds.flatMap((id) => {
      const found = this.#find(id, []);
      return found === undefined ? [] : [{ id, cost: found.cost, site: this.#siteOf(id) }];
    });
    rows.sort((a, b) => a.cost - b.cost || (a.site < b.site ? -1 : 1));
    return rows[0]?.id;
  }

  #siteOf(terminalId: string): string {
    return this.#customer.terminals.find((each) => each.id === terminalId)?.site ?? '';
  }

  #find(terminalId: string, avoid: readonly string[]): FoundPath | undefined {
    const best = this.#default().get(terminalId);
    if (best === undefined || !avoid.some((id) => best.path.includes(id, 1))) return best;
    if (avoid.includes(terminalId)) return undefined;
    const key = [...avoid].sort().join(' ');
    let detour = this.#detours.get(key);
    if (detour === undefined) {
      detour = this.#finder.from(this.#customer.terminalId, avoid);
      if (this.#detours.size >= maxDetours) this.#detours.clear();
      this.#detours.set(key, detour);
    }
    return detour.get(terminalId);
  }

  /** The paths of now; searched when somebody asks after a change. */
  #default(): PathTree {
    if (this.#tree !== undefined) return this.#tree;
    const { links, terminals, terminalId } = this.#customer;
    for (const [position, { id, a, b, cost }] of links.entries()) {
      this.#finder.setEdge(position, cost, this.#stateOf(id, a === terminalId || b === terminalId));
    }
    const tree = this.#finder.from(terminalId);
    this.#tree = tree;
    for (const { id } of terminals) {
      if (tree.get(id)?.isWhole === true) this.#lostAtMs.delete(id);
      else if (!this.#lostAtMs.has(id)) this.#lostAtMs.set(id, this.#clock.monotonicMs());
    }
    return tree;
  }

  #stateOf(linkId: string, isOwn: boolean): EdgeState {
    if (!isOwn) return 'down';
    const state = this.#facts.get(linkId)?.state;
    return state === 'up' || state === 'degraded' ? 'up' : 'closed';
  }

  #layOut(): PathFinder {
    const { terminals, links } = this.#customer;
    const nodes = terminals.map(({ id, mode, site }) => ({ node: id, isTransit: mode === 'server', name: site }));
    return new PathFinder({ nodes, edges: links });
  }

  #changed(): void {
    this.#tree = undefined;
    this.#detours.clear();
    if (this.#isNewsQueued) return;
    this.#isNewsQueued = true;
    setImmediate(() => {
      this.#isNewsQueued = false;
      for (const listener of this.#listeners) listener();
    });
  }
}
