/**
 * nats-server, killed, may bring back a message whose deletion it confirmed. That cannot be had at will; here such messages are
 * simply there, and the state of their move says that they have moved.
 */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import type { Shipper } from '../../../src/capture/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { ensureGroupStream } from '../../../src/delivery/index.ts';
import { BacklogMove } from '../../../src/groups/backlog-move.ts';
import { type OpenMove, saveMoveState } from '../../../src/groups/move-state.ts';
import { silentLogger } from '../../../src/log.ts';
import { busTopic, riskGroup } from '../../support/arrivals.ts';
import { testScope } from '../../support/nats-server.ts';
import { startJetStream } from '../../support/transit.ts';

const scope = testScope();
const incarnation = 'c'.repeat(32);
const shipper = { maxShipmentBytes: () => 1024 * 1024, isReachable: () => false } as unknown as Shipper;

test('what had moved and is here again is deleted before consumers go on', async () => {
  const taken = await endOfMove({ moved: { first: 1, last: 5 } });
  expect(taken).toEqual([6, 7, 8]);
});

test('a move that moved nothing deletes nothing', async () => {
  expect(await endOfMove({ moved: null })).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

/** Eight messages, and a move of an earlier life that nobody wants any more; resolves with what a consumer is given. */
async function endOfMove(part: Pick<OpenMove, 'moved'>): Promise<number[]> {
  const nc = await startJetStream(scope, scope.dir());
  const jsm = await jetstreamManager(nc);
  const { name: stream, arrivalPrefix } = await ensureGroupStream(jsm, busTopic, riskGroup, null);
  const durable = riskGroup.name;
  for (let n = 1; n <= 8; n++) await jetstream(nc).publish(`${arrivalPrefix}trade.x`, String(n));
  const place = { stream, durable };
  await jsm.consumers.pause(stream, durable, new Date(Date.now() + 3_600_000));
  await saveMoveState(jsm, place, { incarnation, move: { targetId: 't2', deliveredUpTo: 0, sent: null, ...part } });
  const move = new BacklogMove({
    ...{ nc, jsm, ...place, topic: busTopic.name, groupId: riskGroup.id },
    ackWaitMs: () => 1_000,
    serverSeenMs: () => 3_600_000,
    createShipper: () => shipper,
    exclusively: (work) => work(),
    onMoved: () => undefined,
    isGone: () => false,
    clock: systemClock,
    log: silentLogger,
  });
  scope.onEnd(() => move.close());
  move.open(await jsm.consumers.info(stream, durable));
  await expect.poll(() => move.isActive, { timeout: 5_000 }).toBe(false);
  const consumer = await jetstream(nc).consumers.get(stream, durable);
  const taken: number[] = [];
  for await (const message of await consumer.fetch({ max_messages: 8, expires: 1_000 })) {
    taken.push(Number(message.string()));
    message.ack();
  }
  return taken;
}
