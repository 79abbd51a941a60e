/** What customers with declared limits use at a site, by nats-server's own word: for the site's report. */
import { z } from 'zod';
import type { SiteReport } from '../api/site-report.ts';
import type { SnapshotCustomer } from '../api/snapshot.ts';
import { askMonitor } from '../server/index.ts';
import { accountsOfApps } from './app-accounts.ts';
import type { SiteDir } from './dir.ts';
import { customerAccount } from './links.ts';

export type Usage = SiteReport['usage'][number];

const consumerCount = z.object({ state: z.object({ consumer_count: z.number() }) });
const accountDetail = z.object({
  id: z.string(),
  storage: z.number().default(0),
  stream_detail: z.array(consumerCount).default([]),
});
const jszPage = z.object({ account_details: z.array(accountDetail).default([]) });
const connzPage = z.object({ total: z.number() });

/** A customer whose numbers cannot be had is left out. Connections are those of its account with the most: each may have as many as the limit. */
export async function usageOf(dir: SiteDir, customers: readonly SnapshotCustomer[]): Promise<Usage[]> {
  const { monitor } = dir.file;
  const limited = customers.filter(({ limits }) => Object.values(limits).some((limit) => limit !== null));
  const rows = limited.map(async (customer): Promise<Usage[]> => {
    const { id, limits } = customer;
    const account = (await dir.key(customerAccount(id), 'account')).getPublicKey();
    const accounts = new Set([account, ...(await accountsOfApps(dir, customer))]);
    const asked = [...accounts].map((each) => askMonitor(monitor, `/connz?acc=${each}&limit=1`, connzPage));
    const totals = (await Promise.all(asked)).flatMap((page) => (page === undefined ? [] : [page.total]));
    const jsz = await askMonitor(monitor, `/jsz?acc=${account}&streams=true`, jszPage);
    const detail = jsz?.account_details.find((each) => each.id === account);
    if (totals.length < accounts.size || detail === undefined) return [];
    const { maxConnections, maxStorage, maxConsumers } = limits;
    const counts = detail.stream_detail.map(({ state }) => state.consumer_count);
    const used = { connections: Math.max(...totals), storageBytes: detail.storage, consumers: Math.max(0, ...counts) };
    return [{ customerId: id, ...used, maxConnections, maxStorage, maxConsumers }];
  });
  return (await Promise.all(rows)).flat();
}
