/** Applications that are connected with a credential that ends soon, by nats-server's own word: for the site's report. */
import { z } from 'zod';
import type { SnapshotCustomer } from '../api/snapshot.ts';
import { askMonitor } from '../server/index.ts';
import { readJwt } from '../trust/index.ts';
import { accountsOfApps } from './app-accounts.ts';
import type { SiteDir } from './dir.ts';

const connzPage = z.object({ connections: z.array(z.object({ jwt: z.string().default('') })) });
const dayMs = 24 * 3_600_000;

/** One problem for each application, the soonest end of its connections. Customers whose connections cannot be had are left out. */
export async function endingSoon(
  dir: SiteDir,
  customers: readonly SnapshotCustomer[],
  nowMs = Date.now(),
): Promise<{ code: 'E_APP_CREDENTIAL'; text: string }[]> {
  const problems: { code: 'E_APP_CREDENTIAL'; text: string }[] = [];
  for (const customer of customers) {
    const lives = new Map(
      customer.apps.map(({ name, credentialLifeMs }) => [`${customer.name}/${name}`, credentialLifeMs]),
    );
    if ([...lives.values()].every((lifeMs) => lifeMs === null)) continue;
    for (const [name, { count, endsMs }] of await endsOf(dir, customer)) {
      if (endsMs - nowMs > soonMs(lives.get(name) ?? null)) continue;
      const which = `${count} connection${count === 1 ? '' : 's'} of ${name}`;
      problems.push({ code: 'E_APP_CREDENTIAL', text: `${which} end on ${new Date(endsMs).toISOString()}` });
    }
  }
  return problems;
}

/** The new one is there since a third of the life; a week ahead is soon enough. */
function soonMs(lifeMs: number | null): number {
  return Math.min(7 * dayMs, (lifeMs ?? Number.POSITIVE_INFINITY) / 4);
}

/** Connections with an end by application. */
async function endsOf(
  dir: SiteDir,
  customer: SnapshotCustomer,
): Promise<Map<string, { count: number; endsMs: number }>> {
  const ask = (account: string) => askMonitor(dir.file.monitor, `/connz?acc=${account}&auth=1&limit=1024`, connzPage);
  const pages = await Promise.all((await accountsOfApps(dir, customer)).map(ask));
  const found = new Map<string, { count: number; endsMs: number }>();
  for (const { jwt } of pages.flatMap((page) => page?.connections ?? [])) {
    const token = jwt === '' ? undefined : readJwt(jwt);
    if (token?.expires === undefined) continue;
    const before = found.get(token.name) ?? { count: 0, endsMs: Number.POSITIVE_INFINITY };
    found.set(token.name, { count: before.count + 1, endsMs: Math.min(before.endsMs, token.expires * 1000) });
  }
  return found;
}
