/** A part of a bus's status: one customer, site, topic or group of it. */
import { BusError } from '../errors.ts';
import type { Stuck } from './stuck.ts';
import type { Status, StatusSite } from './view.ts';

export interface StatusFilter {
  customer?: string | undefined;
  site?: string | undefined;
  /** `trade` or `acme/trade` */
  topic?: string | undefined;
  /** `risk`, `trade@risk` or `acme/trade@risk` */
  group?: string | undefined;
}

/** The rows that the filter names, and what is stuck among them. E_UNKNOWN_NOUN when it names nothing. */
export function filterStatus(
  status: Status,
  stuck: readonly Stuck[],
  filter: StatusFilter,
): { status: Status; stuck: Stuck[] } {
  requireKnown(status, filter);
  const isWanted = (id: string): boolean => isNamed(status.names[id] ?? id, filter);
  const sites = status.sites
    .filter(({ name }) => filter.site === undefined || name === filter.site)
    .map((site) => filterSite(site, isWanted, filter));
  return { status: { ...status, sites }, stuck: stuck.filter((row) => isWantedRow(row, filter)) };
}

function filterSite(site: StatusSite, isWanted: (id: string) => boolean, filter: StatusFilter): StatusSite {
  const { report } = site;
  if (report === null) return site;
  const hasTopic = filter.topic !== undefined || filter.group !== undefined;
  return {
    ...site,
    report: {
      ...report,
      links: hasTopic ? [] : report.links.filter(({ linkId }) => isWanted(linkId)),
      topics: report.topics.filter(({ topicId }) => isWanted(topicId)),
      groups: report.groups.filter(({ groupId }) => isWanted(groupId)),
      limits: report.limits.filter(({ id }) => isWanted(id)),
      usage: hasTopic ? [] : report.usage.filter(({ customerId }) => isWanted(customerId)),
      problems: hasTopic || filter.customer !== undefined ? [] : report.problems,
    },
  };
}

/** What is stuck in a site concerns everybody there. */
function isWantedRow({ customer, name, site }: Stuck, filter: StatusFilter): boolean {
  if (filter.site !== undefined && site !== filter.site) return false;
  return customer === null ? filter.topic === undefined && filter.group === undefined : isNamed(name, filter);
}

/** `acme`, `acme/trade`, `acme/trade@risk`, `acme/frankfurt-tokyo` */
function isNamed(name: string, { customer, topic, group }: StatusFilter): boolean {
  const [owner = '', rest = ''] = name.split('/');
  const [first = '', second] = rest.split('@');
  if (customer !== undefined && owner !== customer) return false;
  if (topic !== undefined && topic !== first && topic !== `${owner}/${first}`) return false;
  if (group === undefined) return true;
  // a group's topic is shown beside it
  if (second === undefined) return group.includes('@') && group.split('@')[0]?.split('/').at(-1) === first;
  return [second, rest, name].includes(group);
}

function requireKnown({ names, sites }: Status, filter: StatusFilter): void {
  const { site, ...nouns } = filter;
  if (site !== undefined && !sites.some(({ name }) => name === site))
    throw new BusError('E_UNKNOWN_NOUN', `there is no site ${site}`);
  for (const [noun, value] of Object.entries(nouns)) {
    if (value === undefined) continue;
    // a topic is shown beside its group, and is none
    const candidates = Object.values(names).filter((name) => noun !== 'group' || /\/.*@/.test(name));
    if (candidates.some((name) => isNamed(name, { [noun]: value }))) continue;
    throw new BusError('E_UNKNOWN_NOUN', `there is no ${noun} ${value}`);
  }
}
