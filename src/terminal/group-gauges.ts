/** The gauges of groups, set from the rows of a report: what is not in it any more is not shown any more. */
import type { SiteReport } from '../api/site-report.ts';
import type { SnapshotCustomer } from '../api/snapshot.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

/** @param groups the rows of every terminal of the site */
export function showGroups(
  { outgoing, pending, deadLettersHeld }: TerminalMetrics,
  customers: readonly SnapshotCustomer[],
  groups: SiteReport['groups'],
): void {
  for (const gauge of [outgoing, pending, deadLettersHeld]) gauge.reset();
  const rows = new Map(groups.map((row) => [row.groupId, row]));
  for (const customer of customers) {
    for (const topic of customer.topics) {
      for (const group of topic.groups) {
        const row = rows.get(group.id);
        if (row === undefined) continue;
        const labels = { customer: customer.name, topic: topic.name, group: group.name };
        outgoing.set(labels, row.outgoing);
        pending.set(labels, row.pending);
        deadLettersHeld.set(labels, row.dead);
      }
    }
  }
}
