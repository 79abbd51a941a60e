/**
 * Topics whose streams and durables exist. What was ready once stays granted across restarts of the sidecar, or a restart
 * would take the rights from applications of a LAN that works.
 */
import type { Snapshot } from '../api/snapshot.ts';
import type { SiteDir } from './dir.ts';

export type IsTopicReady = (customerId: string, topicId: string) => boolean;

const fileName = 'nats/ready-topics.json';

/** Ids of all ready topics of the snapshot, remembered ones included. */
export async function rememberReady(dir: SiteDir, snapshot: Snapshot, isReady: IsTopicReady): Promise<Set<string>> {
  const kept = new Set((await dir.readJson<string[]>(fileName)) ?? []);
  const ready = snapshot.customers.flatMap((customer) =>
    customer.topics.filter((topic) => kept.has(topic.id) || isReady(customer.id, topic.id)).map((topic) => topic.id),
  );
  if (ready.length !== kept.size || ready.some((id) => !kept.has(id))) await dir.writeJson(fileName, ready);
  return new Set(ready);
}
