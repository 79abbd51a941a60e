/**
 * Why there is no way from one site to another: the links that carry nothing and without which the destination cannot be
 * reached, nearest to the destination first.
 */
import type { LinkEnd, StatusView } from './view.ts';

/** A link that is not up, with what its ends say. */
export interface DownLink {
  link: string;
  /** those that say so; at least one */
  ends: LinkEnd[];
}

/** Links of the customer of which an end says that they are not up. */
export function downLinks(view: StatusView, customer: string): DownLink[] {
  const links = new Map<string, LinkEnd[]>();
  for (const end of view.ends) {
    if (end.customer !== customer || end.isUp) continue;
    links.set(end.link, [...(links.get(end.link) ?? []), end]);
  }
  return [...links].map(([link, ends]) => ({ link, ends }));
}

/** Whether links that are up lead from one site to the other, as far as those that report say. */
export function isWay(view: StatusView, customer: string, from: string, to: string): boolean {
  return spread(view, customer, from, new Set(downLinks(view, customer).map(({ link }) => link))).has(to);
}

/** Down links between what the origin can reach and what it cannot, those on the destination's side first. */
export function blockingLinks(view: StatusView, customer: string, from: string, to: string): DownLink[] {
  const down = downLinks(view, customer);
  const isDown = new Set(down.map(({ link }) => link));
  const reached = spread(view, customer, from, isDown);
  const behind = spread(view, customer, to, isDown);
  const joins = ({ ends }: DownLink): boolean =>
    ends.some(({ site, peer }) => reached.has(site) !== reached.has(peer) && (behind.has(site) || behind.has(peer)));
  const direct = down.filter(joins);
  return direct.length > 0 ? direct : down.filter(({ ends }) => ends.some(({ site }) => reached.has(site)));
}

/** Sites that are reached over links that are up. */
function spread(view: StatusView, customer: string, from: string, isDown: ReadonlySet<string>): Set<string> {
  const reached = new Set([from]);
  for (let before = 0; before < reached.size; ) {
    before = reached.size;
    for (const { customer: owner, link, site, peer } of view.ends) {
      if (owner !== customer || isDown.has(link)) continue;
      if (reached.has(site)) reached.add(peer);
      else if (reached.has(peer)) reached.add(site);
    }
  }
  return reached;
}
