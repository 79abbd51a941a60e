/** Tells of terminals that are gone around because receipts stay out over them: see RouteWatch. */
import type { Logger } from '../log.ts';
import type { Names } from './names.ts';
import type { Suspicion } from './suspects.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface Teller {
  customerName: string;
  names: Names;
  metrics: TerminalMetrics;
  log: Logger;
}

/** When it begins. */
export function tellShunned(
  over: readonly string[],
  terminalId: string,
  { customerName, names, metrics, log }: Teller,
): void {
  const sites = over.map((id) => names.site(id));
  for (const site of sites) metrics.waysGivenUp.inc({ customer: customerName, over: site });
  const fields = { over: sites, terminal: names.site(terminalId) };
  log.warn({ event: 'transit.shunned', ...fields }, 'these give nothing back, or gave up: envelopes go around them');
}

/** While it lasts, for status. */
export function shunnedTexts(customerName: string, suspicions: readonly Suspicion[], names: Names): string[] {
  return suspicions.map(({ over, destinationId, count }) => {
    const sites = over.map((id) => names.site(id)).join(' or ');
    return `${customerName}: no receipts from ${names.site(destinationId)} over ${sites}, ${count} times: gone around`;
  });
}
