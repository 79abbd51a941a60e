/**
 *   origin ─▶ writers ─▶ group stream ─▶ consumers, who are quicker than the life that would find what a torn batch left
 *
 * What nats-server leaves when its disk fills up in the middle of a batch is made by hand here: messages without a marker.
 */
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { publishBatch } from '../../../src/delivery/atomic-batch.ts';
import { ensureGroupStream, type GroupStream, isReleased, StreamHold } from '../../../src/delivery/index.ts';
import { StreamWriters } from '../../../src/delivery/stream-writers.ts';
import { batchName } from '../../../src/delivery/torn-batch.ts';
import type { Flow } from '../../../src/envelope/index.ts';
import { arrivalOf, busTopic, messagesOf, riskGroup } from '../../support/arrivals.ts';
import { fixedBytes, flow } from '../../support/envelopes.ts';
import { testScope } from '../../support/nats-server.ts';
import { startJetStream } from '../../support/transit.ts';

const scope = testScope();

interface Place {
  nc: NatsConnection;
  jsm: JetStreamManager;
  stream: GroupStream;
}

async function start(): Promise<Place> {
  const nc = await startJetStream(scope, scope.dir());
  const jsm = await jetstreamManager(nc);
  return { nc, jsm, stream: await ensureGroupStream(jsm, busTopic, riskGroup, null) };
}

/** One life of the sidecar. */
function begin(place: Place): StreamWriters {
  const writers = new StreamWriters({
    ...{ ...place, macKey: fixedBytes('mac', 32), topicId: busTopic.id },
    onStored: () => undefined,
    onLost: () => undefined,
    isOrdered: () => false,
    storageFailures: () => 0,
  });
  scope.onEnd(() => writers.close());
  return writers;
}

/** As a batch that was cut short leaves them. */
async function leaveTorn({ nc, stream }: Place, first: number, last: number, of: Flow = flow): Promise<void> {
  const messages = messagesOf(first, last).map(({ seq, payload }) => ({
    subject: `${stream.arrivalPrefix}trade.x`,
    headerLines: `Mb-Origin: ${of.originId} ${seq}\r\n`,
    payload,
  }));
  await publishBatch(nc, messages, batchName(of));
}

/** Payloads of so many messages that one of the group is given and acknowledges. */
async function consume({ nc, stream }: Place, messages: number): Promise<number[]> {
  const consumer = await jetstream(nc).consumers.get(stream.name, riskGroup.name);
  const taken: number[] = [];
  for await (const message of await consumer.fetch({ max_messages: messages, expires: 5_000 })) {
    await message.ackAck();
    taken.push(Number(message.string()));
    if (taken.length === messages) break;
  }
  return taken;
}

/** Messages that the stream holds, markers aside. */
async function held({ jsm, stream }: Place): Promise<number> {
  const { state } = await jsm.streams.info(stream.name, { subjects_filter: `${stream.markerPrefix}*` });
  return state.messages - Object.keys(state.subjects ?? {}).length;
}

/** The connection, but the answers to its first requests of a batch get lost. */
function withoutAnswers(nc: NatsConnection, count: number): NatsConnection {
  let left = count;
  const request: NatsConnection['request'] = async (subject, ...rest) => {
    const answer = await nc.request(subject, ...rest);
    if (subject.startsWith('_mb.') && left-- > 0) throw new Error('no answer');
    return answer;
  };
  return new Proxy(nc, {
    get: (target, key) => {
      if (key === 'request') return request;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function rollup(): MsgHdrs {
  const all = headers();
  all.set('Nats-Rollup', 'sub');
  return all;
}

const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

test('what consumers acknowledge is gone a moment later', async () => {
  const place = await start();
  const writers = begin(place);
  await writers.of(flow).write(arrivalOf(1, 500));
  expect(await consume(place, 500)).toEqual(upTo(500));
  await expect.poll(() => held(place)).toBe(0);
  await expect.poll(() => isReleased(place.jsm, place.stream.name, 500)).toBe(true);
});

test('messages of a torn batch that were consumed before the next life do not come again', async () => {
  const place = await start();
  const before = begin(place);
  await before.of(flow).write(arrivalOf(1, 20));
  await expect.poll(() => isReleased(place.jsm, place.stream.name, 21)).toBe(true);
  before.close();
  await leaveTorn(place, 21, 60);
  expect(await consume(place, 60)).toEqual(upTo(60));
  expect(await held(place)).toBe(40);

  const after = begin(place);
  const received = await after.of(flow).write(arrivalOf(21, 80));
  expect(received.covers(1, 80)).toBe(true);
  expect(await consume(place, 20)).toEqual(upTo(80, 61));
  await expect.poll(() => held(place)).toBe(0);
});

test('a flow that stays silent is settled by the next life, and its messages may leave', async () => {
  const place = await start();
  const other = { ...flow, incarnation: 'f'.repeat(32) };
  await begin(place).of(flow).write(arrivalOf(1, 5));
  await leaveTorn(place, 1, 30, other);
  await consume(place, 35);
  expect(await held(place)).toBe(30);

  const after = begin(place);
  await expect.poll(() => held(place)).toBe(0);
  after.close();
  const received = await begin(place).of(other).write(arrivalOf(1, 31));
  expect(received.covers(1, 31)).toBe(true);
  expect(await consume(place, 1)).toEqual([31]);
});

test('nothing is given up between a new life of nats-server and its review', async () => {
  const place = await start();
  const writers = begin(place);
  await writers.of(flow).write(arrivalOf(1, 10));
  await expect.poll(() => isReleased(place.jsm, place.stream.name, 11)).toBe(true);
  await leaveTorn(place, 11, 20);
  await consume(place, 20);
  writers.reconnected();
  await writers.of({ ...flow, incarnation: 'e'.repeat(32) }).write(arrivalOf(1, 3));
  expect((await writers.of(flow).write(arrivalOf(11, 21))).covers(1, 21)).toBe(true);
  expect((await consume(place, 4)).sort()).toEqual([1, 2, 21, 3]);
  await expect.poll(() => held(place)).toBe(0);
});

test('a write that may have failed in part holds, until it is known what it left', async () => {
  const place = await start();
  const hold = new StreamHold(place);
  await hold.held();
  const batch = hold.begin();
  await leaveTorn(place, 1, 5);
  const other = hold.begin();
  await leaveTorn(place, 6, 7);
  hold.settle(other);
  hold.saw(7);
  await consume(place, 7);
  expect(await isReleased(place.jsm, place.stream.name, 1)).toBe(false);
  hold.settle(batch);
  await expect.poll(() => held(place)).toBe(0);
});

test('a hold that is ahead of its stream, as on a disk that was put back, goes back', async () => {
  const place = await start();
  await leaveTorn(place, 1, 5);
  await place.jsm.consumers.reset(place.stream.name, 'mb-hold', 101);
  const writers = begin(place);
  await expect.poll(() => isReleased(place.jsm, place.stream.name, 6)).toBe(false);
  await writers.of(flow).write(arrivalOf(1, 10));
  const { state } = await place.jsm.streams.info(place.stream.name);
  await expect.poll(() => isReleased(place.jsm, place.stream.name, state.last_seq)).toBe(true);
  writers.close();
  await leaveTorn(place, 11, 20);
  await consume(place, 20);
  expect(await held(place)).toBe(10);
});

test('a batch whose answer was lost is given up once its marker was read', async () => {
  const place = await start();
  const writers = begin({ ...place, nc: withoutAnswers(place.nc, 1) });
  await writers.of(flow).write(arrivalOf(1, 10));
  await consume(place, 10);
  await expect.poll(() => held(place)).toBe(0);
});

test('a flow with a forged marker keeps no other from leaving', async () => {
  const place = await start();
  const writers = begin(place);
  await writers.of(flow).write(arrivalOf(1, 5));
  await writers.of(flow).write(arrivalOf(6, 10));
  const { state } = await place.jsm.streams.info(place.stream.name, {
    subjects_filter: `${place.stream.markerPrefix}*`,
  });
  for (const subject of Object.keys(state.subjects ?? {})) {
    await jetstream(place.nc).publish(subject, 'forged', { headers: rollup() });
  }
  await expect(writers.of(flow).write(arrivalOf(11, 12))).rejects.toThrow(/marker/);
  await writers.of({ ...flow, incarnation: 'd'.repeat(32) }).write(arrivalOf(1, 5));
  await consume(place, 15);
  await expect.poll(() => held(place)).toBe(0);
});

test('a torn batch that is larger than its stream may be by now is settled all the same', async () => {
  const place = await start();
  await leaveTorn(place, 1, 900);
  await consume(place, 900);
  await ensureGroupStream(place.jsm, busTopic, { ...riskGroup, maxBytes: 1_024 }, null);
  begin(place);
  await expect.poll(() => held(place)).toBe(0);
  const limit = async (): Promise<number> => (await place.jsm.streams.info(place.stream.name)).config.max_bytes;
  await expect.poll(limit, { timeout: 5_000 }).toBe(1_024);
});

test('a hold that is made after its writers goes forward, too', async () => {
  const place = await start();
  await place.jsm.consumers.delete(place.stream.name, 'mb-hold');
  const writers = begin(place);
  await writers.of(flow).write(arrivalOf(1, 5));
  await ensureGroupStream(place.jsm, busTopic, riskGroup, null);
  await writers.look();
  await writers.of(flow).write(arrivalOf(6, 10));
  await consume(place, 10);
  await expect.poll(() => held(place)).toBe(0);
});

test('a stream from before there were holds gets one behind what it holds', async () => {
  const place = await start();
  await place.jsm.consumers.delete(place.stream.name, 'mb-hold');
  await leaveTorn(place, 1, 5);
  await ensureGroupStream(place.jsm, busTopic, riskGroup, null);
  expect(await isReleased(place.jsm, place.stream.name, 5)).toBe(true);
  expect(await isReleased(place.jsm, place.stream.name, 6)).toBe(false);
});
