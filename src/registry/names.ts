/** Ids to names for people: `acme@tokyo` a terminal, `acme/trade` a topic, `acme/trade@risk` a group. */
import { listApps } from './apps.ts';
import type { Registry } from './connection.ts';
import { listCustomers } from './customers.ts';
import { listGroups } from './groups.ts';
import { listLinks } from './links.ts';
import { listSites } from './sites.ts';
import { listTerminals } from './terminals.ts';
import { listTopics } from './topics.ts';

export async function listNames(db: Registry): Promise<Record<string, string>> {
  const customers = new Map((await listCustomers(db)).map((customer) => [customer.id, customer.name]));
  const terminals = await listTerminals(db);
  const topics = await listTopics(db);
  const siteOf = new Map(terminals.map((terminal) => [terminal.id, terminal.site]));
  const under = (customerId: string): string => customers.get(customerId) ?? '';
  const topicName = new Map(topics.map((topic) => [topic.id, `${under(topic.customerId)}/${topic.name}`]));
  return Object.fromEntries([
    ...customers,
    ...(await listSites(db)).map((site): [string, string] => [site.id, site.name]),
    ...terminals.map((t): [string, string] => [t.id, `${under(t.customerId)}@${t.site}`]),
    ...topicName,
    ...(await listGroups(db)).map((g): [string, string] => [g.id, `${topicName.get(g.topicId) ?? ''}@${g.name}`]),
    ...(await listApps(db)).map((app): [string, string] => [app.id, `${under(app.customerId)}/${app.name}`]),
    ...(await listLinks(db)).map((link): [string, string] => [
      link.id,
      `${under(link.customerId)}/${[siteOf.get(link.a) ?? '', siteOf.get(link.b) ?? ''].sort().join('-')}`,
    ]),
  ]);
}
