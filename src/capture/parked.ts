/**
 * Where captured messages go that cannot be delivered. No envelope can hold some: nats-server stores what an application
 * publishes on `trade.*` or on bytes that are no text, but a wildcard or a control character must not travel. Others were
 * under way to a group that its terminal says is gone. They are kept in a stream of the customer's account, newest 256 MiB,
 * with the reason, for people to look at, and the flow goes on behind them.
 */
import { randomBytes } from 'node:crypto';
import { DiscardPolicy, type JetStreamManager, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { printable } from '../config/names.ts';
import type { Flow } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { apiCode, filterHeaders, headerBlock, headersFromBytes, natsCall, orNull } from '../nats/index.ts';
import type { CapturedMessage } from './pull-reader.ts';

const streamName = 'mb-parked';
const maxBytes = 256 * 1024 * 1024;
const timeoutMs = 5_000;

/** Resolves when all are stored; the same message parked again within two minutes is stored once. E_NATS */
export async function parkMessages(
  { nc, jsm }: { nc: NatsConnection; jsm: JetStreamManager },
  flow: Flow,
  topic: string,
  messages: readonly CapturedMessage[],
  why: { text: string; group: string | null },
): Promise<void> {
  const subject = await parkedSubject(jsm);
  for (const message of messages) {
    const { lines } = filterHeaders(message.headers);
    const ours = [
      `Mb-Topic: ${topic}`,
      `Mb-Subject: ${encodeURIComponent(printable(message.subject)).slice(0, 1_024)}`,
      `Mb-Sequence: ${message.seq}`,
      `Mb-Reason: ${printable(why.text)}`,
      ...(why.group === null ? [] : [`Mb-Group: ${why.group}`]),
      `Nats-Msg-Id: ${flow.incarnation}-${message.seq}${why.group === null ? '' : `-${why.group}`}`,
    ];
    const headers = headersFromBytes(headerBlock(`${lines}${ours.join('\r\n')}\r\n`));
    const reply = await natsCall(`park a message of ${topic}`, () =>
      nc.request(subject, message.payload, { headers, timeout: timeoutMs }),
    );
    const { error } = reply.json<{ error?: { description: string } }>();
    if (error !== undefined) throw new BusError('E_NATS', `park a message of ${topic}: ${error.description}`);
  }
}

/** The stream's secret subject; made with the stream, because publish acknowledgements go to any subject an app names. */
async function parkedSubject(jsm: JetStreamManager): Promise<string> {
  const existing = await orNull(
    natsCall(`stream ${streamName}`, () => jsm.streams.info(streamName)),
    apiCode.streamNotFound,
  );
  const known = existing?.config.subjects[0];
  if (known !== undefined) return known;
  const subject = `_mb.parked.${randomBytes(16).toString('hex')}`;
  await natsCall(`create stream ${streamName}`, () =>
    jsm.streams.add({
      name: streamName,
      subjects: [subject],
      discard: DiscardPolicy.Old,
      storage: StorageType.File,
      max_bytes: maxBytes,
    }),
  );
  return subject;
}
