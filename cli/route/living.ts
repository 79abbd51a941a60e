/** The living bus as a bus file with today's costs: what its sites report, in the words `explainRoute` understands. */
import type { BusFile, LinkSpec } from '../../src/config/bus-file.ts';
import type { Status } from '../../src/status/index.ts';

export interface LivingBus {
  bus: BusFile;
  /** links of the customer that are not up at both ends */
  down: [string, string][];
}

/** Every link costs what its dearer end says now. */
export function livingBus(file: BusFile, status: Status, customer: string): LivingBus {
  const reported = Map.groupBy(
    status.sites.flatMap(({ report }) => report?.links ?? []),
    ({ linkId }) => status.names[linkId] ?? linkId,
  );
  const down: [string, string][] = [];
  const living = (link: LinkSpec): LinkSpec => {
    const ends = reported.get(`${customer}/${[...link.between].sort().join('-')}`) ?? [];
    const isUp = ends.length === 2 && ends.every(({ state }) => state === 'up' || state === 'degraded');
    if (!isUp) down.push(link.between);
    return { ...link, cost: Math.max(link.cost, ...ends.map(({ cost }) => cost ?? 0)) };
  };
  const customers = file.customers.map((each) =>
    each.name === customer ? { ...each, links: each.links.map(living) } : each,
  );
  return { bus: { ...file, customers }, down };
}

/** Site of the terminal that serves a group for what is published at `from`; null when its sidecar does not say. */
export function assignedSite(status: Status, from: string, groupName: string): string | null {
  const rows = status.sites.find(({ name }) => name === from)?.report?.groups ?? [];
  const assigned = rows.find(({ groupId }) => status.names[groupId] === groupName)?.assigned ?? null;
  return assigned === null ? null : (status.names[assigned] ?? assigned).replace(/^.*@/, '');
}
