/**
 * Which link leads to a terminal now, and which terminal serves a group: one customer, as one of its terminals sees it.
 *
 * A terminal counts as reachable while a path over links that are up leads there. The choice for a group is sticky: it
 * changes when its terminal left the group, or stayed unreachable for `graceMs` while another can be reached.
 */
import type { SnapshotCustomer, SnapshotGroup } from '../api/snapshot.ts';
import type { Clock } from '../clock.ts';
import { type PathEdge, type ShortestPath, shortestPaths } from './paths.ts';

export interface RoutesOptions {
  clock: Clock;
  graceMs?: number;
}

export class Routes {
  readonly #clock: Clock;
  readonly #graceMs: number;
  #customer: SnapshotCustomer;
  readonly #upLinks = new Set<string>();
  #paths = new Map<string, ShortestPath>();
  readonly #lostAtMs = new Map<string, number>();

  constructor(customer: SnapshotCustomer, options: RoutesOptions) {
    this.#clock = options.clock;
    this.#graceMs = options.graceMs ?? 3_000;
    this.#customer = customer;
    this.#recompute();
  }

  configure(customer: SnapshotCustomer): void {
    this.#customer = customer;
    this.#recompute();
  }

  linkChanged(linkId: string, isUp: boolean): void {
    if (isUp) this.#upLinks.add(linkId);
    else this.#upLinks.delete(linkId);
    this.#recompute();
  }

  isReachable(terminalId: string): boolean {
    return this.#paths.has(terminalId);
  }

  /** The link to send on for this terminal, null when there is no path. */
  linkTo(terminalId: string): string | null {
    const { links, terminalId: self } = this.#customer;
    const hop = this.#paths.get(terminalId)?.nextHop;
    const link = links.find(
      ({ id, a, b }) => this.#upLinks.has(id) && ((a === self && b === hop) || (b === self && a === hop)),
    );
    return link?.id ?? null;
  }

  /** The terminal for a group's next messages; one that never registered is better than none: the messages wait for it. */
  choose(group: SnapshotGroup, current: string | null): string | null {
    const registered = group.terminals.filter((id) =>
      this.#customer.terminals.some((each) => each.id === id && each.signKey !== null),
    );
    if (current !== null && registered.includes(current) && this.#mayStay(current)) return current;
    const reachable = registered.filter((id) => this.#paths.has(id));
    const best = group.policy === 'ordered' ? reachable[0] : this.#nearest(reachable, this.#paths);
    if (best !== undefined) return best;
    if (current !== null && registered.includes(current)) return current;
    return this.#nearest(registered, this.#configuredPaths()) ?? group.terminals[0] ?? null;
  }

  #mayStay(terminalId: string): boolean {
    const lostAtMs = this.#lostAtMs.get(terminalId);
    return lostAtMs === undefined || this.#clock.monotonicMs() - lostAtMs < this.#graceMs;
  }

  #nearest(terminalIds: readonly string[], paths: ReadonlyMap<string, ShortestPath>): string | undefined {
    const rows = terminalIds.flatMap((id) => {
      const path = paths.get(id);
      return path === undefined ? [] : [{ id, cost: path.cost, site: this.#siteOf(id) }];
    });
    rows.sort((a, b) => a.cost - b.cost || (a.site < b.site ? -1 : 1));
    return rows[0]?.id;
  }

  #siteOf(terminalId: string): string {
    return this.#customer.terminals.find((each) => each.id === terminalId)?.site ?? '';
  }

  /** Only links of this terminal that are up count: what other terminals' links do is not known here. */
  #recompute(): void {
    const { links, terminals, terminalId } = this.#customer;
    const edges = links.filter(
      (link) => this.#upLinks.has(link.id) && (link.a === terminalId || link.b === terminalId),
    );
    this.#paths = this.#pathsOver(edges);
    for (const { id } of terminals) {
      if (this.#paths.has(id)) this.#lostAtMs.delete(id);
      else if (!this.#lostAtMs.has(id)) this.#lostAtMs.set(id, this.#clock.monotonicMs());
    }
  }

  #configuredPaths(): Map<string, ShortestPath> {
    return this.#pathsOver(this.#customer.links);
  }

  #pathsOver(edges: readonly PathEdge[]): Map<string, ShortestPath> {
    const { terminals, terminalId } = this.#customer;
    const nodes = terminals.map(({ id, mode, site }) => ({ node: id, isTransit: mode === 'server', name: site }));
    return shortestPaths({ nodes, edges }, terminalId);
  }
}
