/**
 * A customer's configured terminals and links with what is known of them now: the graph that paths are searched in.
 * Laid out once per configuration; `update` sets the links' weights. Costs are thousandths, whole numbers, so that sums
 * are exact and every terminal breaks the same ties.
 */
import { createHash } from 'node:crypto';
import type { SnapshotCustomer, SnapshotLink } from '../api/snapshot.ts';
import { disjointPaths } from './disjoint.ts';
import { linkMilli } from './link-cost.ts';
import type { KnownTerminal } from './link-state-db.ts';
import { type EdgeState, type FoundPath, PathFinder, type PathTree, type ShortestPath } from './paths.ts';
import type { LinkEntry } from './records.ts';

/** What others say of round trips counts up to this. */
const maxWordMs = 10_000;
/** Searches with terminals left out are kept until something changes, at most this many. */
const maxDetours = 64;
/** More are of no use to anybody. */
const maxDisjoint = 4;

interface Weighed {
  milli: number;
  state: EdgeState;
  rttMs: number;
}

export class Topology {
  /** equal for configurations that routing cannot tell apart */
  readonly fingerprint: string;
  readonly #self: string;
  readonly #links: readonly SnapshotLink[];
  readonly #positionOf: ReadonlyMap<string, number>;
  readonly #positionBetween = new Map<string, number>();
  readonly #known = new Map<string, KnownTerminal>();
  readonly #siteOf: ReadonlyMap<string, string>;
  readonly #groups: ReadonlySet<string>;
  readonly #draining: ReadonlySet<string>;
  readonly #present: ReadonlySet<string>;
  readonly #nodes: { node: string; isTransit: boolean; name: string }[];
  readonly #finder: PathFinder;
  readonly #detours = new Map<string, PathTree>();
  readonly #tables = new WeakMap<LinkEntry[], Map<string, LinkEntry>>();
  #weights: Weighed[];
  #tree: PathTree | undefined;

  constructor({ terminals, links, topics, terminalId }: SnapshotCustomer) {
    this.#self = terminalId;
    this.#links = links;
    this.#positionOf = new Map(links.map(({ id }, position) => [id, position]));
    for (const [position, { a, b }] of links.entries()) this.#positionBetween.set(pairKey(a, b), position);
    this.#siteOf = new Map(terminals.map(({ id, site }) => [id, site]));
    this.#draining = new Set(terminals.filter(({ isDraining }) => isDraining).map(({ id }) => id));
    this.#present = new Set(terminals.filter(({ isForgotten }) => !isForgotten).map(({ id }) => id));
    const groups = topics.flatMap((topic) => topic.groups);
    this.#groups = new Set(groups.map(({ id }) => id));
    for (const { id, signKey } of terminals)
      if (signKey !== null) this.#known.set(id, { signKey, links: 0, groups: 0 });
    this.#count(groups.flatMap((group) => group.terminals));
    this.#nodes = terminals.map(({ id, mode, transit, site }) => ({
      node: id,
      isTransit: mode === 'server' || transit,
      name: site,
    }));
    this.#finder = new PathFinder({ nodes: this.#nodes, edges: links });
    this.#weights = links.map(({ cost }) => ({ milli: linkMilli(cost), state: 'closed', rttMs: 0 }));
    const plain = links.map(({ id, a, b, cost }) => [id, a, b, cost]);
    const text = JSON.stringify([terminalId, this.#nodes, [...this.#known], plain]);
    this.fingerprint = createHash('sha256').update(text).digest('base64');
  }

  hasLink(linkId: string): boolean {
    return this.#positionOf.has(linkId);
  }

  hasGroup(groupId: string): boolean {
    return this.#groups.has(groupId);
  }

  isDraining(terminalId: string): boolean {
    return this.#draining.has(terminalId);
  }

  /** It was removed from the configuration, or an operator gave it up. */
  isGone(terminalId: string): boolean {
    return !this.#present.has(terminalId);
  }

  siteOf(terminalId: string): string {
    return this.#siteOf.get(terminalId) ?? '';
  }

  /** Undefined for a terminal that is not configured or never registered. */
  configOf(terminalId: string): KnownTerminal | undefined {
    return this.#known.get(terminalId);
  }

  operatorCost(linkId: string): number {
    return this.#links[this.#positionOf.get(linkId) ?? -1]?.cost ?? 1;
  }

  ownLinkTo(neighbour: string): string | undefined {
    return this.#links[this.#positionBetween.get(pairKey(this.#self, neighbour)) ?? -1]?.id;
  }

  /** Round trip of the link between two neighbours, milliseconds, 0 when unknown. */
  rttMs(a: string, b: string): number {
    return this.#weights[this.#positionBetween.get(pairKey(a, b)) ?? -1]?.rttMs ?? 0;
  }

  /** Whether the link between two neighbours is up, as far as records tell. */
  isUp(a: string, b: string): boolean {
    return this.#weights[this.#positionBetween.get(pairKey(a, b)) ?? -1]?.state === 'up';
  }

  /** A number per terminal that differs from origin to origin, so that equals are not all taken in the same order. */
  scatter(terminalId: string): string {
    return createHash('sha256').update(`${this.#self} ${terminalId}`).digest('hex');
  }

  /** Takes over what this terminal announces of its own links, and what the records of the others say. */
  update(own: (linkId: string) => LinkEntry | undefined, told: (terminalId: string) => LinkEntry[] | undefined): void {
    const tableOf = (terminalId: string): Map<string, LinkEntry> | undefined => this.#tableOf(told(terminalId));
    this.#weights = this.#links.map((link) => {
      const peer = link.a === this.#self ? link.b : link.b === this.#self ? link.a : undefined;
      if (peer === undefined) return weigh(link, tableOf(link.a)?.get(link.id), tableOf(link.b)?.get(link.id));
      return weighOwn(link, own(link.id), tableOf(peer));
    });
    for (const [position, { milli, state }] of this.#weights.entries()) this.#finder.setEdge(position, milli, state);
    this.#tree = undefined;
    this.#detours.clear();
  }

  /** The best path, over no terminal in `avoid`; costs in thousandths. */
  find(terminalId: string, avoid: readonly string[]): FoundPath | undefined {
    this.#tree ??= this.#finder.from(this.#self);
    const best = this.#tree.get(terminalId);
    if (best === undefined || !avoid.some((id) => best.path.includes(id, 1))) return best;
    if (avoid.includes(terminalId)) return undefined;
    const key = [...avoid].sort().join(' ');
    let detour = this.#detours.get(key);
    if (detour === undefined) {
      detour = this.#finder.from(this.#self, avoid);
      if (this.#detours.size >= maxDetours) this.#detours.clear();
      this.#detours.set(key, detour);
    }
    return detour.get(terminalId);
  }

  /** Paths over links that are up which share no link and no terminal but the ends; costs in thousandths. */
  disjointPaths(terminalId: string): ShortestPath[] {
    const edges = this.#links.map(({ a, b }, position) => {
      const { milli, state } = this.#weights[position]!;
      return { a, b, cost: milli, state };
    });
    return disjointPaths({ nodes: this.#nodes, edges }, this.#self, terminalId, maxDisjoint);
  }

  /** A record's entries by link; most records are the same as at the last update. */
  #tableOf(entries: LinkEntry[] | undefined): Map<string, LinkEntry> | undefined {
    if (entries === undefined) return undefined;
    const known = this.#tables.get(entries);
    if (known !== undefined) return known;
    const table = new Map(entries.map((entry) => [entry.linkId, entry]));
    this.#tables.set(entries, table);
    return table;
  }

  #count(servedAt: readonly string[]): void {
    for (const { a, b } of this.#links) {
      for (const id of [a, b]) {
        const known = this.#known.get(id);
        if (known !== undefined) known.links += 1;
      }
    }
    for (const id of servedAt) {
      const known = this.#known.get(id);
      if (known !== undefined) known.groups += 1;
    }
  }
}

function weigh({ cost }: SnapshotLink, left: LinkEntry | undefined, right: LinkEntry | undefined): Weighed {
  if (left === undefined || right === undefined) return { milli: linkMilli(cost), state: 'down', rttMs: 0 };
  const milli = linkMilli(cost, left.extraMilli, right.extraMilli);
  return { milli, state: 'up', rttMs: Math.min(maxWordMs, Math.max(left.rttMs, right.rttMs)) };
}

/** The peer's word counts against an own link that is up; without one the session's is enough. */
function weighOwn(link: SnapshotLink, own: LinkEntry | undefined, peer: Map<string, LinkEntry> | undefined): Weighed {
  if (own === undefined) return { milli: linkMilli(link.cost), state: 'closed', rttMs: 0 };
  const answer = peer?.get(link.id);
  const milli = linkMilli(link.cost, own.extraMilli, answer?.extraMilli ?? 0);
  return { milli, state: peer === undefined || answer !== undefined ? 'up' : 'down', rttMs: own.rttMs };
}

function pairKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
