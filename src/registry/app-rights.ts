/** What an app may do: topics it publishes, groups it consumes, groups whose dead letters it reads. */
import type { Registry } from './connection.ts';

export interface AppRights {
  /** topic ids by app id */
  publish: Map<string, string[]>;
  /** group ids by app id */
  consume: Map<string, string[]>;
  /** group ids by app id */
  deadLetters: Map<string, string[]>;
}

export async function listAppRights(db: Registry, customerIds?: readonly string[]): Promise<AppRights> {
  let publish = db.selectFrom('app_publish').select(['app_id', 'topic_id']);
  let consume = db.selectFrom('app_consume').select(['app_id', 'group_id']);
  let letters = db.selectFrom('app_dead_letters').select(['app_id', 'group_id']);
  if (customerIds) {
    letters = letters.where('customer_id', 'in', [...customerIds]);
    publish = publish.where('customer_id', 'in', [...customerIds]);
    consume = consume.where('customer_id', 'in', [...customerIds]);
  }
  const topics = (await publish.execute()).map((row): [string, string] => [row.app_id, row.topic_id]);
  const groups = (await consume.execute()).map((row): [string, string] => [row.app_id, row.group_id]);
  const dead = (await letters.execute()).map((row): [string, string] => [row.app_id, row.group_id]);
  return { publish: collect(topics), consume: collect(groups), deadLetters: collect(dead) };
}

export async function setAppRights(
  trx: Registry,
  app: { customerId: string; appId: string },
  rights: { publish: readonly string[]; consume: readonly string[]; deadLetters: readonly string[] },
): Promise<void> {
  const owner = { customer_id: app.customerId, app_id: app.appId };
  await trx.deleteFrom('app_publish').where('app_id', '=', app.appId).execute();
  await trx.deleteFrom('app_consume').where('app_id', '=', app.appId).execute();
  await trx.deleteFrom('app_dead_letters').where('app_id', '=', app.appId).execute();
  const topics = rights.publish.map((topic_id) => ({ ...owner, topic_id }));
  const groups = rights.consume.map((group_id) => ({ ...owner, group_id }));
  if (topics.length > 0) await trx.insertInto('app_publish').values(topics).execute();
  if (groups.length > 0) await trx.insertInto('app_consume').values(groups).execute();
  const dead = rights.deadLetters.map((group_id) => ({ ...owner, group_id }));
  if (dead.length > 0) await trx.insertInto('app_dead_letters').values(dead).execute();
}

function collect(pairs: [string, string][]): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const [key, value] of pairs) result.set(key, [...(result.get(key) ?? []), value]);
  return result;
}
