/**
 * The capture stream of a topic at one terminal, and the durables that feed groups of this site from it.
 *
 * Retention interest, discard new: a message stays until every durable has acknowledged it, and a full stream refuses the
 * publisher. The incarnation (16 random bytes) tells this stream from a later one of the same name, whose sequences mean
 * other messages, and from what it was before its disk was put back to an older copy.
 */
import { randomBytes } from 'node:crypto';
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { SnapshotTopic } from '../api/snapshot.ts';
import { systemClock } from '../clock.ts';
import { BusError } from '../errors.ts';
import { apiCode, natsCall, orNull } from '../nats/index.ts';

const feedPrefix = 'mb-feed-';
const holdPrefix = 'mb-fed-';

/** Metadata keys; a stream that has no topic id of ours is not ours. */
const meta = {
  topic: 'mb_topic',
  group: 'mb_group',
  incarnation: 'mb_incarnation',
  rolledBack: 'mb_rolled_back',
} as const;

/** Null when there is none, or one that is not this topic's. */
export async function findCaptureStream(jsm: JetStreamManager, topic: SnapshotTopic): Promise<StreamInfo | null> {
  const info = await orNull(
    natsCall(`stream ${topic.name}`, () => jsm.streams.info(topic.name)),
    apiCode.streamNotFound,
  );
  return info?.config.metadata?.[meta.topic] === topic.id ? info : null;
}

export interface CaptureStream {
  name: string;
  incarnation: string;
  info: StreamInfo;
  /** what was found when its disk had been put back to an older copy, for people; empty: never was */
  rolledBack: string;
}

/** Creates the stream, or brings it in line. Throws E_FOREIGN_STREAM when the name is taken, E_NATS. */
export async function ensureCaptureStream(
  jsm: JetStreamManager,
  topic: SnapshotTopic,
  limits: { maxMessageBytes: number },
): Promise<CaptureStream> {
  const { name } = topic;
  const wanted = {
    subjects: [name, `${name}.>`],
    max_bytes: topic.maxBytes,
    max_msg_size: limits.maxMessageBytes,
    duplicate_window: topic.dedupeMs * 1e6,
  };
  const existing = await orNull(
    natsCall(`stream ${name}`, () => jsm.streams.info(name)),
    apiCode.streamNotFound,
  );
  if (existing === null) return create(jsm, topic, wanted);
  const incarnation = existing.config.metadata?.[meta.incarnation];
  if (incarnation === undefined || existing.config.metadata?.[meta.topic] !== topic.id) {
    throw new BusError('E_FOREIGN_STREAM', `stream ${name} exists and does not belong to topic ${name}`);
  }
  const isInLine = Object.entries(wanted).every(
    ([key, value]) => JSON.stringify(existing.config[key as keyof StreamConfig]) === JSON.stringify(value),
  );
  if (isInLine) return toCaptureStream(existing, incarnation);
  const info = await natsCall(`update stream ${name}`, () =>
    jsm.streams.update(name, { ...existing.config, ...wanted }),
  );
  return toCaptureStream(info, incarnation);
}

/** Its sequences mean other messages than they did: from now on it is another stream to every destination. E_NATS */
export async function renewIncarnation(
  jsm: JetStreamManager,
  { name, info }: CaptureStream,
  rolledBack: string,
): Promise<CaptureStream> {
  const incarnation = newIncarnation();
  const metadata = { ...info.config.metadata, [meta.incarnation]: incarnation, [meta.rolledBack]: rolledBack };
  const renewed = await natsCall(`update stream ${name}`, () => jsm.streams.update(name, { ...info.config, metadata }));
  return toCaptureStream(renewed, incarnation);
}

function toCaptureStream(info: StreamInfo, incarnation: string): CaptureStream {
  const { name, metadata } = info.config;
  return { name, incarnation, info, rolledBack: metadata?.[meta.rolledBack] ?? '' };
}

function newIncarnation(): string {
  return randomBytes(16).toString('hex');
}

async function create(
  jsm: JetStreamManager,
  topic: SnapshotTopic,
  wanted: Partial<StreamConfig>,
): Promise<CaptureStream> {
  const incarnation = newIncarnation();
  const info = await natsCall(`create stream ${topic.name}`, () =>
    jsm.streams.add({
      name: topic.name,
      ...wanted,
      retention: RetentionPolicy.Interest,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      allow_direct: true,
      metadata: { [meta.topic]: topic.id, [meta.incarnation]: incarnation },
    }),
  );
  return toCaptureStream(info, incarnation);
}

/** Every consumer of a stream. */
export async function listConsumers(jsm: JetStreamManager, stream: string): Promise<ConsumerInfo[]> {
  return natsCall(`consumers of ${stream}`, async () => {
    const all: ConsumerInfo[] = [];
    for await (const info of jsm.consumers.list(stream)) all.push(info);
    return all;
  });
}

/** Where a new consumer begins; null: at the stream's end. */
export function startAt(from: number | null): Partial<ConsumerConfig> {
  return from === null
    ? { deliver_policy: DeliverPolicy.New }
    : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from) };
}

/** The durable that feeds a group of this site by native sourcing (ADR-60). */
export interface Feed {
  groupId: string;
  durable: string;
  deliverSubject: string;
  /** the first sequence it brings, 0 when it began at the stream's end */
  from: number;
}

/** Creates the feed of a group, starting at `from` (null: at the stream's end), or finds it. */
export async function ensureFeed(
  jsm: JetStreamManager,
  stream: string,
  group: { id: string; name: string },
  from: number | null,
): Promise<Feed> {
  const known = (await listFeeds(jsm, stream)).find((feed) => feed.durable === `${feedPrefix}${group.name}`);
  if (known?.groupId === group.id) return known;
  if (known !== undefined) await deleteFeed(jsm, stream, known.durable);
  const info = await natsCall(`create feed of ${stream}@${group.name}`, () =>
    jsm.consumers.add(stream, {
      durable_name: `${feedPrefix}${group.name}`,
      deliver_subject: `_mb.feed.${randomBytes(16).toString('hex')}`,
      ack_policy: AckPolicy.FlowControl,
      flow_control: true,
      idle_heartbeat: 1e9,
      metadata: { [meta.group]: group.id },
      ...startAt(from),
    }),
  );
  return toFeed(info);
}

export async function listFeeds(jsm: JetStreamManager, stream: string): Promise<Feed[]> {
  const consumers = await listConsumers(jsm, stream);
  return consumers.filter((info) => info.name.startsWith(feedPrefix)).map(toFeed);
}

function toFeed({ name, config }: ConsumerInfo): Feed {
  return {
    groupId: config.metadata?.[meta.group] ?? '',
    durable: name,
    deliverSubject: config.deliver_subject ?? '',
    from: config.opt_start_seq ?? 0,
  };
}

/** Stops a feed for good and resolves with the last sequence it has brought. E_NOT_YET while some are on their way. */
export async function pauseFeed(jsm: JetStreamManager, stream: string, group: { name: string }): Promise<number> {
  const durable = `${feedPrefix}${group.name}`;
  await natsCall(`pause ${durable}`, () =>
    jsm.consumers.pause(stream, durable, new Date(Date.now() + 100 * 365 * 24 * 3_600_000)),
  );
  for (let tries = 0; tries < 50; tries++) {
    const info = await natsCall(`feed ${durable}`, () => jsm.consumers.info(stream, durable));
    if (info.delivered.stream_seq === info.ack_floor.stream_seq) return info.ack_floor.stream_seq;
    await systemClock.sleep(100);
  }
  throw new BusError('E_NOT_YET', `what ${stream} has under way to ${group.name} at this site is not stored yet`);
}

/** The durable that holds what a feed has not been seen to have brought. */
export function feedHold(feed: string): string {
  return holdPrefix + feed.slice(feedPrefix.length);
}

/** Gives up the interest of a feed and its hold; a crash between the two leaves the feed, to find both by. */
export async function deleteFeed(jsm: JetStreamManager, stream: string, feed: string): Promise<void> {
  for (const durable of [feedHold(feed), feed]) {
    await orNull(
      natsCall(`delete ${durable}`, () => jsm.consumers.delete(stream, durable)),
      apiCode.consumerNotFound,
    );
  }
}
