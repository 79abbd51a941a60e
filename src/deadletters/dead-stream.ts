/**
 * The dead-letter stream of a group at one terminal: `mb-dlq-<topic>@<group>`, made when its first message comes or when
 * an application may read it.
 *
 * A work queue with a byte limit that refuses and never drops: what does not fit stays where it was. It takes messages as
 * a group stream does, under a secret subject that is turned back into the original one, so an application reads it like
 * its group: durable `<group>` of this stream, and an acknowledgement removes the message.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { SnapshotGroup, SnapshotTopic } from '../api/snapshot.ts';
import { type ArrivalPlace, ownersOf } from '../delivery/index.ts';
import { BusError } from '../errors.ts';
import { apiCode, natsCall, orNull } from '../nats/index.ts';
import { deadStreamName } from '../site/index.ts';

/** A group with its topic; a group that was removed has no more than this. */
export interface DeadGroup {
  topic: Pick<SnapshotTopic, 'id' | 'name'>;
  group: Pick<SnapshotGroup, 'id' | 'name' | 'maxBytes'>;
}

export interface DeadStream extends ArrivalPlace {
  /** 32 hex digits that no other stream has */
  incarnation: string;
}

const inPrefix = '_mb.in.';
const markPrefix = '_mb.mark.';
const mostBytes = 256 * 1024 * 1024;
const ackWaitNs = 30e9;

/** Creates the stream with its durable, or brings it in line. E_FOREIGN_STREAM E_NATS */
export async function ensureDeadStream(jsm: JetStreamManager, { topic, group }: DeadGroup): Promise<DeadStream> {
  const name = deadStreamName(topic.name, group.name);
  const existing = await findInfo(jsm, name);
  if (existing !== null && ownersOf(existing).topicId !== topic.id) {
    throw new BusError('E_FOREIGN_STREAM', `stream ${name} exists and does not belong to topic ${topic.name}`);
  }
  const secret = existing === null ? randomBytes(16).toString('hex') : secretOf(existing);
  const wanted = {
    max_bytes: Math.min(group.maxBytes, mostBytes),
    metadata: { mb_topic: topic.id, mb_group: group.id },
  };
  if (existing === null) await create(jsm, name, secret, wanted);
  else if (existing.config.max_bytes !== wanted.max_bytes || ownersOf(existing).groupId !== group.id) {
    await natsCall(`update stream ${name}`, () => jsm.streams.update(name, { ...existing.config, ...wanted }));
  }
  await ensureReader(jsm, name, topic.name, group.name);
  return toDeadStream(name, secret);
}

/** Null when there is none. E_NATS */
export async function findDeadStream(jsm: JetStreamManager, { topic, group }: DeadGroup): Promise<DeadStream | null> {
  const name = deadStreamName(topic.name, group.name);
  const info = await findInfo(jsm, name);
  return info === null ? null : toDeadStream(name, secretOf(info));
}

/** Tells a stream from a later one of the same name, and says nothing of its secret. */
export function incarnationOf({ arrivalPrefix }: ArrivalPlace): string {
  return createHash('sha256').update(arrivalPrefix).digest('hex').slice(0, 32);
}

function findInfo(jsm: JetStreamManager, name: string): Promise<StreamInfo | null> {
  return orNull(
    natsCall(`stream ${name}`, () => jsm.streams.info(name)),
    apiCode.streamNotFound,
  );
}

async function create(
  jsm: JetStreamManager,
  name: string,
  secret: string,
  wanted: Partial<StreamConfig>,
): Promise<void> {
  await natsCall(`create stream ${name}`, () =>
    jsm.streams.add({
      name,
      subjects: [`${inPrefix}${secret}.>`, `${markPrefix}${secret}.*`],
      subject_transform: { src: `${inPrefix}${secret}.>`, dest: '>' },
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      allow_atomic: true,
      allow_rollup_hdrs: true,
      allow_direct: true,
      duplicate_window: 1e8,
      ...wanted,
    }),
  );
}

async function ensureReader(jsm: JetStreamManager, stream: string, topic: string, group: string): Promise<void> {
  const existing = await orNull(
    natsCall(`consumer of ${stream}`, () => jsm.consumers.info(stream, group)),
    apiCode.consumerNotFound,
  );
  if (existing !== null) return;
  await natsCall(`create consumer of ${stream}`, () =>
    jsm.consumers.add(stream, {
      durable_name: group,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWaitNs,
      filter_subjects: [topic, `${topic}.>`],
    }),
  );
}

function toDeadStream(name: string, secret: string): DeadStream {
  const place = { name, arrivalPrefix: `${inPrefix}${secret}.`, markerPrefix: `${markPrefix}${secret}.` };
  return { ...place, incarnation: incarnationOf(place) };
}

function secretOf({ config }: StreamInfo): string {
  const secret = config.subjects.find((each) => each.startsWith(inPrefix))?.slice(inPrefix.length, -'.>'.length) ?? '';
  if (/^[0-9a-f]{32}$/.test(secret)) return secret;
  throw new BusError('E_FOREIGN_STREAM', `stream ${config.name} has no arrival subject of ours`);
}
