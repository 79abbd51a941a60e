/**
 *   origin ─▶ flow writer ─▶ group stream, whose disk filled up in the middle of a batch
 *
 * What nats-server leaves then is made by hand here: messages without their marker, and a marker that was rolled up by one
 * that is not there.
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { publishBatch } from '../../../src/delivery/atomic-batch.ts';
import { FlowWriter } from '../../../src/delivery/flow-writer.ts';
import { ensureGroupStream, type GroupStream, StreamHold } from '../../../src/delivery/index.ts';
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
  /** one that knows of so many failures */
  writer: (failures: number) => FlowWriter;
}

async function start(): Promise<Place> {
  const nc = await startJetStream(scope, scope.dir());
  const jsm = await jetstreamManager(nc);
  const stream = await ensureGroupStream(jsm, busTopic, riskGroup, null);
  const macKey = fixedBytes('mac', 32);
  const writer = (failures: number): FlowWriter =>
    new FlowWriter({
      ...{ nc, jsm, stream, flow, macKey, hold: new StreamHold({ nc, jsm, stream }) },
      onStored: () => undefined,
      onLost: () => undefined,
      storageFailures: () => failures,
    });
  return { nc, jsm, stream, writer };
}

/** Origin sequences in the order of the stream. */
async function stored({ jsm, stream }: Place): Promise<number[]> {
  const found: number[] = [];
  for await (const { subject, header } of await jsm.direct.getBatch(stream.name, { seq: 1, batch: 1_000 })) {
    if (subject === 'trade.x') found.push(Number(header.get('Mb-Origin').split(' ')[1]));
  }
  return found;
}

/** Stream sequences of the flow's markers, the older one first. */
async function markers({ jsm, stream }: Place): Promise<number[]> {
  const { state } = await jsm.streams.info(stream.name, { subjects_filter: `${stream.markerPrefix}*` });
  const subjects = Object.keys(state.subjects ?? {});
  const all = await Promise.all(
    subjects.map((subject) => jsm.streams.getMessage(stream.name, { last_by_subj: subject })),
  );
  return all.map((message) => message?.seq ?? 0).sort((a, b) => a - b);
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

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

test('two markers stand in turns, and a batch after a failure leaves out what a torn one stored', async () => {
  const place = await start();
  const before = place.writer(0);
  for (const first of [1, 11, 21]) await before.write(arrivalOf(first, first + 9));
  const [older, newer] = await markers(place);
  expect([older, newer]).toEqual([22, 33]);
  await place.jsm.streams.deleteMessage(place.stream.name, older!);
  await leaveTorn(place, 31, 35);

  const received = await place.writer(1).write(arrivalOf(31, 40));
  expect(received.covers(1, 40)).toBe(true);
  expect(await stored(place)).toEqual(upTo(40));
  expect(await markers(place)).toEqual([39, 45]);
});

test('a marker that is gone with its disk doubles nothing that is stored', async () => {
  const place = await start();
  const before = place.writer(0);
  for (const first of [1, 11, 21]) await before.write(arrivalOf(first, first + 9));
  const [, newer] = await markers(place);
  await place.jsm.streams.deleteMessage(place.stream.name, newer!);

  const after = place.writer(1);
  // all of it is there: what says so is stored again before it is answered
  expect((await after.write(arrivalOf(21, 30))).covers(1, 30)).toBe(true);
  expect(await markers(place)).toHaveLength(2);
  await place.writer(0).write(arrivalOf(1, 31));
  expect(await stored(place)).toEqual(upTo(31));
});

test('a writer that lives reads again once nats-server was found unable to store', async () => {
  const place = await start();
  let failures = 0;
  const writer = new FlowWriter({
    ...{ ...place, hold: new StreamHold(place), flow, macKey: fixedBytes('mac', 32) },
    onStored: () => undefined,
    onLost: () => undefined,
    storageFailures: () => failures,
  });
  for (const first of [1, 11]) await writer.write(arrivalOf(first, first + 9));
  await leaveTorn(place, 21, 23);
  failures += 1;
  await writer.write(arrivalOf(21, 25));
  expect(await stored(place)).toEqual(upTo(25));
});

test('a new life finds what a kill left of a batch, and takes nothing else for it', async () => {
  const place = await start();
  for (const first of [1, 11]) await place.writer(0).write(arrivalOf(first, first + 9));
  await leaveTorn(place, 21, 23);
  await leaveTorn(place, 24, 26, { ...flow, incarnation: 'f'.repeat(32) });

  const received = await place.writer(0).write(arrivalOf(21, 30));
  expect(received.covers(1, 30)).toBe(true);
  expect((await stored(place)).filter((seq) => seq <= 23)).toEqual(upTo(23));
  expect((await stored(place)).filter((seq) => seq > 23).sort()).toEqual([24, 24, 25, 25, 26, 26, 27, 28, 29, 30]);
});
