/**
 * What a batch left that was cut short: nats-server stores its messages one after the other and its marker last, and a write
 * that fails, or a kill, in between may leave the messages before it. They lie behind the flow's marker, near the
 * stream's end, and bear the flow in the name of their batch.
 */
import { createHash } from 'node:crypto';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { type Flow, flowKey } from '../envelope/index.ts';
import { directGet, natsCall, type StoredMessage } from '../nats/index.ts';

/** a batch of each of a few flows: nothing is stored any more after the write that failed */
const tailMessages = 4_000;
const page = { batch: 500, max_bytes: 4 * 1024 * 1024 };
const tagLength = 12;

export interface BatchPlace {
  nc: NatsConnection;
  jsm: JetStreamManager;
  stream: { name: string };
  flow: Flow;
}

/** What the names of all batches of a flow begin with. */
export function batchTag(flow: Flow): string {
  return createHash('sha256').update(flowKey(flow)).digest('base64url').slice(0, tagLength);
}

/** Sequences of the flow that are stored behind its marker, at most so many messages from the stream's end. E_NATS */
export async function storedBehind({ nc, jsm, stream, flow }: BatchPlace, markerSeq: number): Promise<number[]> {
  const { state } = await natsCall(`stream ${stream.name}`, () => jsm.streams.info(stream.name));
  const tag = batchTag(flow);
  const found: number[] = [];
  let seq = Math.max(markerSeq + 1, state.first_seq, state.last_seq - tailMessages + 1);
  while (seq <= state.last_seq) {
    const messages = await directGet(nc, stream.name, { seq, ...page });
    found.push(...messages.flatMap((message) => sequenceIn(message, tag, flow)));
    seq = (messages.at(-1)?.seq ?? state.last_seq) + 1;
  }
  return found;
}

/** What an application publishes here comes through a source, with whatever headers it likes. */
function sequenceIn(message: StoredMessage, tag: string, { originId }: Flow): number[] {
  const isOfFlow = message.header('Nats-Batch-Id')?.startsWith(tag) === true;
  const [origin, seq] = message.header('Mb-Origin')?.split(' ') ?? [];
  return isOfFlow && origin === originId && message.header('Nats-Stream-Source') === undefined ? [Number(seq)] : [];
}
