/** What customers with declared limits use at a site, by nats-server's own word: for the site's report. */
import { z } from 'zod';
import type { SiteReport } from '../api/site-report.ts';
import type { SnapshotCustomer } from '../api/snapshot.ts';
import { askMonitor } from '../server/index.ts';

export type Usage = SiteReport['usage'][number];

const consumerCount = z.object({ state: z.object({ consumer_count: z.number() }) });
const accountDetail = z.object({
  id: z.string(),
  storage: z.number().default(0),
  stream_detail: z.array(consumerCount).default([]),
});
const jszPage = z.object({ account_details: z.array(accountDetail).default([]) });
const connzPage = z.object({ total: z.number() });

/**
 * @param monitor host:port of nats-server's monitoring
 * @param accountOf public key of the customer's account
 * A customer whose numbers cannot be had is left out.
 */
export async function usageOf(
  monitor: string,
  customers: readonly SnapshotCustomer[],
  accountOf: (customerId: string) => Promise<string>,
): Promise<Usage[]> {
  const limited = customers.filter(({ limits }) => Object.values(limits).some((limit) => limit !== null));
  const rows = limited.map(async ({ id, limits }): Promise<Usage[]> => {
    const account = await accountOf(id);
    const connz = await askMonitor(monitor, `/connz?acc=${account}&limit=1`, connzPage);
    const jsz = await askMonitor(monitor, `/jsz?acc=${account}&streams=true`, jszPage);
    const detail = jsz?.account_details.find((each) => each.id === account);
    if (connz === undefined || detail === undefined) return [];
    const { maxConnections, maxStorage, maxConsumers } = limits;
    const counts = detail.stream_detail.map(({ state }) => state.consumer_count);
    const used = { connections: connz.total, storageBytes: detail.storage, consumers: Math.max(0, ...counts) };
    return [{ customerId: id, ...used, maxConnections, maxStorage, maxConsumers }];
  });
  return (await Promise.all(rows)).flat();
}
