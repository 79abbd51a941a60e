/**
 * What has moved and comes back: nats-server 2.15.1, killed, may bring back the last message of one of its blocks although it
 * confirmed the deletion, and would hand it out as one that was never delivered.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { MAX_MESSAGES } from '../envelope/index.ts';
import { natsCall } from '../nats/index.ts';
import { deleteBacklog, readBacklog } from './backlog-reader.ts';
import type { Span } from './move-state.ts';

interface Place {
  nc: NatsConnection;
  jsm: JetStreamManager;
  stream: string;
  /** the durable its consumers share, paused */
  durable: string;
  topic: string;
  /** read at once */
  maxBytes: number;
}

/** Deletes what is here of sequences that have all moved; resolves with how many there were. E_NATS */
export async function deleteReturned({ nc, stream, topic, maxBytes }: Place, moved: Span): Promise<number> {
  const request = { stream, topic, from: moved.first, until: moved.last, maxMessages: MAX_MESSAGES, maxBytes };
  for (let deleted = 0; ; ) {
    const returned = await readBacklog(nc, request);
    if (returned.length === 0) return deleted;
    const seqs = returned.map(({ seq }) => seq);
    await deleteBacklog(nc, stream, seqs);
    deleted += seqs.length;
  }
}

/** Sets the durable behind what has moved, for what comes back from now on. E_NATS */
export async function passOver({ nc, jsm, stream, durable, topic, maxBytes }: Place): Promise<void> {
  const { state } = await natsCall(`stream ${stream}`, () => jsm.streams.info(stream));
  const [left] = await readBacklog(nc, { stream, topic, from: 1, until: state.last_seq, maxMessages: 1, maxBytes });
  const next = left?.seq ?? state.last_seq + 1;
  const { delivered } = await natsCall(`consumer of ${stream}`, () => jsm.consumers.info(stream, durable));
  if (delivered.stream_seq + 1 >= next) return;
  await natsCall(`place of ${durable} in ${stream}`, () => jsm.consumers.reset(stream, durable, next));
}
