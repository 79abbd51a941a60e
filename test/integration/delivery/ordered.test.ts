/**
 *   origin ─▶ flow writer ─▶ group stream        envelopes of an ordered topic that overtake each other
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import type { SnapshotTopic } from '../../../src/api/snapshot.ts';
import { FlowWriter } from '../../../src/delivery/flow-writer.ts';
import { ensureGroupStream, StreamHold } from '../../../src/delivery/index.ts';
import { fixedBytes, fixedUuid, flow } from '../../support/envelopes.ts';
import { testScope } from '../../support/nats-server.ts';
import { groupOf } from '../../support/routing.ts';
import { startJetStream } from '../../support/transit.ts';

const scope = testScope();
const group = groupOf('risk', [], { maxBytes: 64 * 1024 * 1024 });
const topic = { id: fixedUuid('trade'), name: 'trade', groups: [group] } as SnapshotTopic;

async function open(
  isOrdered: boolean,
  maxBytes = group.maxBytes,
): Promise<{ jsm: JetStreamManager; writer: FlowWriter }> {
  const nc = await startJetStream(scope, scope.dir());
  const jsm = await jetstreamManager(nc);
  const stream = await ensureGroupStream(jsm, topic, { ...group, maxBytes }, null);
  const ignore = (): void => undefined;
  const macKey = fixedBytes('mac', 32);
  const hold = new StreamHold({ nc, jsm, stream });
  const options = { nc, jsm, stream, flow, macKey, hold, onStored: ignore, onLost: ignore, isOrdered: () => isOrdered };
  return { jsm, writer: new FlowWriter(options) };
}

const arrival = (first: number, last: number, { floor = 0, since = 1, size = 8 } = {}) => ({
  first,
  last,
  floor,
  since,
  messages: Array.from({ length: last - first + 1 }, (_, index) => ({
    seq: first + index,
    subject: 'trade.x',
    headers: null,
    payload: Buffer.alloc(size, `${first + index} `),
    timeNs: 1_700_000_000_000_000_000n,
  })),
});

/** Sequences at the origin, in the order in which the stream holds them. */
async function storedOrder(jsm: JetStreamManager): Promise<number[]> {
  const { state } = await jsm.streams.info('trade@risk');
  const found: number[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await jsm.streams.getMessage('trade@risk', { seq }).catch(() => null);
    const origin = message?.header.get('Mb-Origin').split(' ')[1];
    if (origin !== undefined) found.push(Number(origin));
  }
  return found;
}

const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, n) => first + n);

test('what came too early is stored behind what it overtook', async () => {
  const { jsm, writer } = await open(true);
  const early = [writer.write(arrival(21, 30)), writer.write(arrival(11, 20))];
  await writer.write(arrival(1, 10));
  const marks = (await Promise.all(early)).map(({ mark }) => mark);
  expect(marks[0]).toBe(30);
  expect(marks[1]).toBeGreaterThanOrEqual(20);
  expect(await storedOrder(jsm)).toEqual(upTo(30));
});

test('where order does not count, nothing waits', async () => {
  const { jsm, writer } = await open(false);
  await writer.write(arrival(11, 20));
  await writer.write(arrival(1, 10));
  expect(await storedOrder(jsm)).toEqual([...upTo(20, 11), ...upTo(10)]);
});

test('a gap that nobody fills refuses what is behind it, and keeps nothing of it', async () => {
  const { jsm, writer } = await open(true);
  await writer.write(arrival(1, 10));
  await expect(writer.write(arrival(21, 30))).rejects.toMatchObject({ code: 'E_GAP', disposition: 'retry' });
  await writer.write(arrival(11, 20));
  await writer.write(arrival(21, 30));
  expect(await storedOrder(jsm)).toEqual(upTo(30));
});

test('what the origin needs no answer for, or what was never for this terminal, is no gap', async () => {
  const { jsm, writer } = await open(true);
  await writer.write(arrival(101, 110, { floor: 100 }));
  await writer.write(arrival(301, 310, { floor: 100, since: 301 }));
  await writer.write(arrival(501, 510, { since: 0 }));
  expect(await storedOrder(jsm)).toEqual([...upTo(110, 101), ...upTo(310, 301), ...upTo(510, 501)]);
});

test('a full stream cuts the flow where it is full', async () => {
  const { jsm, writer } = await open(true, 64 * 1024);
  const outcomes = await Promise.allSettled([
    writer.write(arrival(1, 10)),
    writer.write(arrival(11, 20, { size: 16 * 1024 })),
    writer.write(arrival(21, 30)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  const order = await storedOrder(jsm);
  expect(order).toEqual(upTo(order.length));
  expect(order.length).toBeLessThan(20);
});
