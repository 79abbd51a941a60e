/**
 * Streams of topics and groups that the configuration does not have any more. A topic's streams go with the topic; a
 * removed group's stream goes once it is empty, and is told of until then.
 */
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { SnapshotCustomer, SnapshotTopic } from '../api/snapshot.ts';
import { deleteStream, deleteStreamHold, groupStreamName, ownersOf } from '../delivery/index.ts';
import type { Logger } from '../log.ts';
import { natsCall } from '../nats/index.ts';

/** Removes what may go; answers a line per stream that stays. */
export async function removeLeftOvers(
  jsm: JetStreamManager,
  customer: SnapshotCustomer,
  log: Logger,
): Promise<string[]> {
  const staying: string[] = [];
  for (const info of await listStreams(jsm)) {
    const { topicId, groupId } = ownersOf(info);
    if (topicId === undefined) continue;
    const topic = customer.topics.find(({ id }) => id === topicId);
    if (topic !== undefined && (groupId === undefined || topic.groups.some(({ id }) => id === groupId))) continue;
    const { name } = info.config;
    if (topic !== undefined && isTakenUp(topic, name, customer.terminalId)) continue;
    // nothing arrives here any more, and nobody sets it forward
    await deleteStreamHold(jsm, name);
    const messages = await countMessages(jsm, info);
    if (topic === undefined || messages === 0) {
      await deleteStream(jsm, name);
      const level = messages === 0 ? 'info' : 'warn';
      log[level]({ event: 'stream.removed', stream: name, messages }, 'a stream went with its topic or group');
    } else staying.push(`${name} of a removed group holds ${messages} messages`);
  }
  return staying;
}

/** A group of the same name was declared again and lives here: it goes on with the stream. */
function isTakenUp(topic: SnapshotTopic, stream: string, terminalId: string): boolean {
  return topic.groups.some(
    ({ name, terminals }) => groupStreamName(topic.name, name) === stream && terminals.includes(terminalId),
  );
}

function listStreams(jsm: JetStreamManager): Promise<StreamInfo[]> {
  return natsCall('list of streams', async () => {
    const all: StreamInfo[] = [];
    for await (const info of jsm.streams.list()) all.push(info);
    return all;
  });
}

/** Messages of applications: markers do not count. */
async function countMessages(jsm: JetStreamManager, { config }: StreamInfo): Promise<number> {
  const info = await natsCall(`stream ${config.name}`, () =>
    jsm.streams.info(config.name, { subjects_filter: '_mb.>' }),
  );
  const markers = Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  return info.state.messages - markers;
}
