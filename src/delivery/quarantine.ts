/**
 * Where envelopes go that came but may not be opened any more: whole and sealed, in a stream of the customer's account. Their
 * origin gets no receipt, so it sends what it still has again, under a fresh ticket; where the origin is gone for good, this
 * is what is left of its messages. The stream refuses when it is full, and the envelope stays where it came from.
 */
import { randomBytes } from 'node:crypto';
import { DiscardPolicy, type JetStreamManager, StorageType } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import type { Manifest } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { apiCode, natsCall, orNull } from '../nats/index.ts';

const streamName = 'mb-quarantine';
const maxBytes = 256 * 1024 * 1024;
const timeoutMs = 5_000;

export interface Quarantined {
  manifest: Manifest;
  /** as it came */
  sealed: Uint8Array;
  topic: string;
  reason: string;
}

/** Resolves when it is stored; the same envelope again within two minutes is stored once. E_NATS E_STREAM_FULL */
export async function quarantine(
  { nc, jsm }: { nc: NatsConnection; jsm: JetStreamManager },
  { manifest, sealed, topic, reason }: Quarantined,
): Promise<void> {
  const subject = await ensureStream(jsm);
  const head = headers();
  head.set('Nats-Msg-Id', Buffer.from(manifest.envelopeId).toString('hex'));
  head.set('Mb-Topic', topic);
  head.set('Mb-Origin', manifest.flow.originId);
  head.set('Mb-Range', `${manifest.first}-${manifest.last}`);
  head.set('Mb-Reason', reason);
  const doing = `quarantine an envelope of ${topic}`;
  const reply = await natsCall(doing, () => nc.request(subject, sealed, { headers: head, timeout: timeoutMs }));
  const { error } = reply.json<{ error?: { description: string } }>();
  if (error !== undefined) throw new BusError('E_STREAM_FULL', `${doing}: ${error.description}`);
}

/** Envelopes in quarantine at this terminal; 0 where none ever was. E_NATS */
export async function countQuarantined(jsm: JetStreamManager): Promise<number> {
  return (await findStream(jsm))?.state.messages ?? 0;
}

/** Its subject is secret: publish acknowledgements go to any subject an application names. */
async function ensureStream(jsm: JetStreamManager): Promise<string> {
  const known = (await findStream(jsm))?.config.subjects[0];
  if (known !== undefined) return known;
  const subject = `_mb.quarantine.${randomBytes(16).toString('hex')}`;
  await natsCall(`create stream ${streamName}`, () =>
    jsm.streams.add({
      name: streamName,
      subjects: [subject],
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      max_bytes: maxBytes,
    }),
  );
  return subject;
}

function findStream(jsm: JetStreamManager) {
  return orNull(
    natsCall(`stream ${streamName}`, () => jsm.streams.info(streamName)),
    apiCode.streamNotFound,
  );
}
