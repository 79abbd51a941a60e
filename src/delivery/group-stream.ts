/**
 * The group stream `<topic>@<group>` at one terminal and the durable its consumers share.
 *
 * Fed twice: by the server itself from the capture stream of this LAN, and by arrivals from other sites, which the
 * sidecar writes under a secret subject that the stream turns back into the original one. Publish acknowledgements go to
 * any reply subject an app names, so subjects that mean something to us must not be guessable: the secret is 128 random
 * bits, kept in the stream's own configuration and told to nobody.
 */
import { randomBytes } from 'node:crypto';
import {
  AckPolicy,
  type ConsumerConfig,
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
  type StreamSource,
} from '@nats-io/jetstream';
import type { SnapshotGroup, SnapshotTopic } from '../api/snapshot.ts';
import { BusError } from '../errors.ts';
import { apiCode, natsCall, orNull } from '../nats/index.ts';
import { deleteKeeper, ensureFeedHold, ensureKeeper } from './feed-keeper.ts';
import { ensureStreamHold } from './stream-hold.ts';

const meta = { topic: 'mb_topic', group: 'mb_group' } as const;
const inPrefix = '_mb.in.';
const markPrefix = '_mb.mark.';
const keepPrefix = '_mb.keep.';
const markerDurable = 'mb-marks';

/** A stream that takes messages with a marker of what has come. */
export interface ArrivalPlace {
  name: string;
  /** publish an arrival here: prefix and the original subject */
  arrivalPrefix: string;
  /** a flow's marker: prefix and the flow's token */
  markerPrefix: string;
}

export interface GroupStream extends ArrivalPlace {
  groupId: string;
  /** where the keeper of its place in the feed is told of every message */
  keeperSubject: string;
}

/** What feeds the stream from this LAN, when an app publishes the topic here. */
export interface FeedSource {
  stream: string;
  durable: string;
  deliverSubject: string;
}

export function groupStreamName(topic: string, group: string): string {
  return `${topic}@${group}`;
}

/** Creates stream and consumer, or brings them in line. Throws E_FOREIGN_STREAM, E_NATS. */
export async function ensureGroupStream(
  jsm: JetStreamManager,
  topic: SnapshotTopic,
  group: SnapshotGroup,
  feed: FeedSource | null,
): Promise<GroupStream> {
  const name = groupStreamName(topic.name, group.name);
  const existing = await orNull(
    natsCall(`stream ${name}`, () => jsm.streams.info(name)),
    apiCode.streamNotFound,
  );
  if (existing !== null && existing.config.metadata?.[meta.group] !== group.id && !isOrphan(existing, topic)) {
    throw new BusError('E_FOREIGN_STREAM', `stream ${name} exists and does not belong to group ${name}`);
  }
  const secret = existing === null ? randomBytes(16).toString('hex') : secretOf(existing);
  // a work queue of an earlier version cannot become anything else: it goes on as it was, without keeper and hold
  const retention = existing?.config.retention ?? RetentionPolicy.Interest;
  const wanted = { ...groupConfig(topic, group, feed, secret), retention };
  const { config } =
    existing ??
    (await natsCall(`create stream ${name}`, () =>
      jsm.streams.add({ name, ...groupConfig(topic, group, null, secret) }),
    ));
  // what nobody has interest in is not stored: all of it stands before anything can come
  await ensureMarkerInterest(jsm, name, secret);
  if (retention === RetentionPolicy.Interest) await ensureStreamHold(jsm, name);
  await ensureGroupConsumer(jsm, name, topic, group);
  if (feed !== null && retention === RetentionPolicy.Interest) {
    await ensureKeeper(jsm, name, keepPrefix + secret);
    await ensureFeedHold(jsm, feed);
  }
  if (!isInLine(config, wanted)) {
    await natsCall(`update stream ${name}`, () => jsm.streams.update(name, { ...config, ...wanted }));
  }
  return toGroupStream(name, group.id, secret);
}

function groupConfig(
  topic: SnapshotTopic,
  group: SnapshotGroup,
  feed: FeedSource | null,
  secret: string,
): Partial<StreamConfig> {
  const sources: Partial<StreamSource>[] =
    feed === null
      ? []
      : [{ name: feed.stream, consumer: { name: feed.durable, deliver_subject: feed.deliverSubject } }];
  return {
    subjects: [`${inPrefix}${secret}.>`, `${markPrefix}${secret}.*`],
    subject_transform: { src: `${inPrefix}${secret}.>`, dest: '>' },
    sources: sources as StreamSource[],
    retention: RetentionPolicy.Interest,
    discard: group.onFull === 'dropOldest' ? DiscardPolicy.Old : DiscardPolicy.New,
    storage: StorageType.File,
    max_bytes: group.maxBytes,
    // arrivals carry no id, sourcing heeds none: the marker's set keeps repeats out
    duplicate_window: 1e8,
    allow_atomic: true,
    allow_rollup_hdrs: true,
    allow_direct: true,
    metadata: { [meta.topic]: topic.id, [meta.group]: group.id },
  };
}

/** Takes the feed's source from the stream of a group that is no longer fed here, if the stream is still there. */
export async function detachFeed(
  jsm: JetStreamManager,
  feed: { groupId: string; deliverSubject: string },
): Promise<void> {
  const streams = await natsCall('list of streams', async () => {
    const all: StreamInfo[] = [];
    for await (const info of jsm.streams.list()) all.push(info);
    return all;
  });
  const fed = streams.find(({ config }) =>
    config.sources?.some((source) => source.consumer?.deliver_subject === feed.deliverSubject),
  );
  if (fed === undefined) return;
  // first, so that a crash between the two leaves a source to find it by
  await deleteKeeper(jsm, fed.config.name);
  await natsCall(`update stream ${fed.config.name}`, () =>
    jsm.streams.update(fed.config.name, { ...fed.config, sources: [] }),
  );
}

/** A durable that never acknowledges: markers stay until the next one of their subject. */
async function ensureMarkerInterest(jsm: JetStreamManager, stream: string, secret: string): Promise<void> {
  const existing = await orNull(
    natsCall(`marker interest of ${stream}`, () => jsm.consumers.info(stream, markerDurable)),
    apiCode.consumerNotFound,
  );
  if (existing !== null) return;
  await natsCall(`create marker interest of ${stream}`, () =>
    jsm.consumers.add(stream, {
      durable_name: markerDurable,
      ack_policy: AckPolicy.Explicit,
      filter_subject: `${markPrefix}${secret}.*`,
    }),
  );
}

/** The stream of a group that is not served here any more; null when there is none of ours. */
export async function findGroupStream(
  jsm: JetStreamManager,
  topic: SnapshotTopic,
  group: SnapshotGroup,
): Promise<GroupStream | null> {
  const name = groupStreamName(topic.name, group.name);
  const info = await orNull(
    natsCall(`stream ${name}`, () => jsm.streams.info(name)),
    apiCode.streamNotFound,
  );
  return info?.config.metadata?.[meta.group] === group.id ? toGroupStream(name, group.id, secretOf(info)) : null;
}

/** Takes a stream's arrival subjects away: from here on nothing new is stored, what is there and its markers stay. */
export async function closeGroupStream(jsm: JetStreamManager, name: string): Promise<void> {
  const { config } = await natsCall(`stream ${name}`, () => jsm.streams.info(name));
  const { subject_transform: _, ...rest } = config;
  const subjects = config.subjects.filter((subject) => subject.startsWith(markPrefix));
  await natsCall(`close stream ${name}`, () => jsm.streams.update(name, { ...rest, subjects, sources: [] }));
}

/** Removes a stream with all it holds. */
export async function deleteStream(jsm: JetStreamManager, name: string): Promise<void> {
  await orNull(
    natsCall(`delete stream ${name}`, () => jsm.streams.delete(name)),
    apiCode.streamNotFound,
  );
}

/** Which topic and group a stream was made for; undefined where it bears no mark of ours. */
export function ownersOf({ config }: StreamInfo): { topicId: string | undefined; groupId: string | undefined } {
  return { topicId: config.metadata?.[meta.topic], groupId: config.metadata?.[meta.group] };
}

function toGroupStream(name: string, groupId: string, secret: string): GroupStream {
  const [arrivalPrefix, markerPrefix] = [`${inPrefix}${secret}.`, `${markPrefix}${secret}.`];
  return { name, groupId, arrivalPrefix, markerPrefix, keeperSubject: keepPrefix + secret };
}

/** Of a group of this topic that was removed: declared again, the group finds what was left. */
function isOrphan({ config }: StreamInfo, topic: SnapshotTopic): boolean {
  const owner = config.metadata?.[meta.group];
  return config.metadata?.[meta.topic] === topic.id && !topic.groups.some(({ id }) => id === owner);
}

/** A closed stream has its marker subject only. */
function secretOf(info: StreamInfo): string {
  const arrival = info.config.subjects.find((each) => each.startsWith(inPrefix));
  const marker = info.config.subjects.find((each) => each.startsWith(markPrefix)) ?? '';
  const secret = arrival?.slice(inPrefix.length, -'.>'.length) ?? marker.slice(markPrefix.length, -'.*'.length);
  if (!/^[0-9a-f]{32}$/.test(secret)) {
    throw new BusError('E_FOREIGN_STREAM', `stream ${info.config.name} has no arrival subject of ours`);
  }
  return secret;
}

/** Compares what we set; the server adds fields of its own. */
function isInLine(existing: StreamConfig, wanted: Partial<StreamConfig>): boolean {
  const sourceNames = (config: Partial<StreamConfig>): string =>
    (config.sources ?? [])
      .map((source) => `${source.name}/${source.consumer?.name}/${source.consumer?.deliver_subject}`)
      .join();
  return (
    existing.max_bytes === wanted.max_bytes &&
    existing.discard === wanted.discard &&
    existing.metadata?.[meta.group] === wanted.metadata?.[meta.group] &&
    existing.subjects.length === wanted.subjects?.length &&
    sourceNames(existing) === sourceNames(wanted)
  );
}

/** The shared durable of a group; for a topic with scope lan it sits on the capture stream itself. */
export async function ensureGroupConsumer(
  jsm: JetStreamManager,
  stream: string,
  topic: SnapshotTopic,
  group: SnapshotGroup,
): Promise<void> {
  const wanted = {
    ack_wait: group.ackWaitMs * 1e6,
    max_deliver: group.maxDeliver,
    max_ack_pending: group.maxAckPending,
  };
  const existing = await orNull(
    natsCall(`consumer ${stream}`, () => jsm.consumers.info(stream, group.name)),
    apiCode.consumerNotFound,
  );
  if (existing === null) {
    const config: Partial<ConsumerConfig> = {
      durable_name: group.name,
      ack_policy: AckPolicy.Explicit,
      filter_subjects: [topic.name, `${topic.name}.>`],
      ...wanted,
    };
    await natsCall(`create consumer ${stream}`, () => jsm.consumers.add(stream, config));
    return;
  }
  const isInLineAlready = Object.entries(wanted).every(
    ([key, value]) => existing.config[key as keyof ConsumerConfig] === value,
  );
  if (!isInLineAlready)
    await natsCall(`update consumer ${stream}`, () => jsm.consumers.update(stream, group.name, wanted));
}
