/**
 * A site's own view of the bus, for when the control plane does not answer: its report, named by its snapshot. It is what
 * `mbus status` would show of that site, and nothing of the others.
 */
import type { SiteReport } from '../api/site-report.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { Status } from './view.ts';

export interface SiteState {
  busId: string;
  snapshot: Snapshot;
  report: SiteReport;
  /** since the report was made, ms */
  reportAgeMs: number;
  isControlAway: boolean;
}

export function statusOfSite({ busId, snapshot, report, reportAgeMs, isControlAway }: SiteState): Status {
  const { site, customers, version } = snapshot;
  const away = { code: 'E_CONTROL_AWAY', text: 'the control plane does not answer this site' };
  const terminals = customers.flatMap((customer) =>
    customer.terminals.map((each) => ({ ...each, customer: customer.name })),
  );
  return {
    busId,
    version,
    sites: [
      {
        id: site.id,
        name: site.name,
        mode: site.mode,
        state: 'joined',
        reportAgeMs,
        report: { ...report, problems: [...(isControlAway ? [away] : []), ...report.problems] },
      },
    ],
    names: namesOf(snapshot),
    replicas: [],
    draining: terminals.filter(({ isDraining }) => isDraining).map(({ customer, site: at }) => `${customer}/${at}`),
    forgotten: terminals.filter(({ isForgotten }) => isForgotten).map(({ customer, site: at }) => `${customer}/${at}`),
    revoked: terminals
      .filter(({ isRevoked }) => isRevoked)
      .map(({ customer, site: at }) => `terminal ${customer}/${at}`),
  };
}

/** As the control plane names them: `acme@tokyo`, `acme/frankfurt-tokyo`, `acme/trade@risk`. */
function namesOf({ site, customers }: Snapshot): Record<string, string> {
  const names: Record<string, string> = { [site.id]: site.name };
  for (const { id, name, terminals, links, topics, apps } of customers) {
    names[id] = name;
    const siteOf = new Map(terminals.map((terminal) => [terminal.id, terminal.site]));
    for (const terminal of terminals) {
      names[terminal.id] = `${name}@${terminal.site}`;
      names[terminal.siteId] = terminal.site;
    }
    for (const link of links)
      names[link.id] = `${name}/${[siteOf.get(link.a) ?? '', siteOf.get(link.b) ?? ''].sort().join('-')}`;
    for (const topic of topics) {
      names[topic.id] = `${name}/${topic.name}`;
      for (const group of topic.groups) names[group.id] = `${name}/${topic.name}@${group.name}`;
    }
    for (const app of apps) names[app.id] = `${name}/${app.name}`;
  }
  return names;
}
