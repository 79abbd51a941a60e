/**
 *   publisher ─▶ stream orders ─▶ cursors ─▶ a shipper that keeps what is sent to which terminal
 *
 * Cursors over a real capture stream; the terminals are the test's own.
 */
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import type { SnapshotTopic } from '../../../src/api/snapshot.ts';
import {
  CursorSet,
  ensureCaptureStream,
  type ParkReason,
  type Shipment,
  type Shipper,
} from '../../../src/capture/index.ts';
import { systemClock } from '../../../src/clock.ts';
import { RangeSet } from '../../../src/envelope/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { fixedUuid } from '../../support/envelopes.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { startJetStream } from '../../support/transit.ts';

const scope = testScope();
const [east, west, group] = ['east', 'west', 'group'].map(fixedUuid) as [string, string, string];

const topic: SnapshotTopic = {
  id: fixedUuid('orders'),
  name: 'orders',
  scope: 'bus',
  maxBytes: 64 * 1024 * 1024,
  maxTransitAgeMs: 3_600_000,
  strict: false,
  ordered: false,
  dedupeMs: 1_000,
  keyEpoch: null,
  ticketsSinceMs: null,
  groups: [],
};

/** Next hops that store everything and terminals that receipt only what the test says. */
class Terminals implements Shipper {
  readonly sent = new Map<string, RangeSet>();
  readonly down = new Set<string>();
  readonly parked: string[] = [];
  /** the highest floor each terminal was told */
  readonly floors = new Map<string, number>();
  /** from where on each was told that it has receipted everything up to the floor */
  readonly sinces: [terminalId: string, since: number][] = [];

  isReachable(terminalId: string): boolean {
    return !this.down.has(terminalId);
  }

  isCarriable(): boolean {
    return true;
  }

  maxShipmentBytes(): number {
    return 100_000;
  }

  receiptTerms(): ReturnType<Shipper['receiptTerms']> {
    return { patienceMs: Number.POSITIVE_INFINITY, changedAtMs: 0, brokenAtMs: 0, shortPatienceMs: 1_000 };
  }

  noReceipt(): void {}

  async park({ messages, duties }: Shipment, why: ParkReason): Promise<void> {
    const groups = duties.map(({ groupId }) => (groupId === group ? 'group' : groupId));
    for (const { seq } of messages) this.parked.push(`${seq} ${groups} ${why}`);
  }

  async ship({ messages, floor, duties }: Shipment): Promise<void> {
    for (const { terminalId, since } of duties) {
      for (const { seq } of messages) this.#sentTo(terminalId).add(seq);
      this.floors.set(terminalId, Math.max(floor, this.floors.get(terminalId) ?? 0));
      this.sinces.push([terminalId, since]);
    }
  }

  #sentTo(terminalId: string): RangeSet {
    const sent = this.sent.get(terminalId) ?? new RangeSet();
    this.sent.set(terminalId, sent);
    return sent;
  }

  last(terminalId: string): number {
    return this.sent.get(terminalId)?.last ?? 0;
  }
}

interface Origin {
  cursors: CursorSet;
  /** the terminal that routing would choose */
  chosen: { terminalId: string };
}

interface OriginOptions {
  isLost?: boolean;
  jsm?: JetStreamManager;
}

async function openOrigin(
  nc: NatsConnection,
  terminals: Terminals,
  chosen: string,
  { isLost = false, jsm: given }: OriginOptions = {},
): Promise<Origin> {
  const jsm = given ?? (await jetstreamManager(nc));
  const stream = await ensureCaptureStream(jsm, topic, { maxMessageBytes: 1_000_000 });
  const choice = { terminalId: chosen };
  const cursors = new CursorSet({
    nc,
    jsm,
    stream,
    shipper: terminals,
    largestMessageBytes: () => 1_000_000,
    choose: () => choice.terminalId,
    isLost: (_, terminalId) => isLost && terminals.down.has(terminalId),
    clock: systemClock,
    log: silentLogger,
  });
  await cursors.open();
  await cursors.reconcile([{ groupId: group, from: 1 }], () => true);
  cursors.start();
  return { cursors, chosen: choice };
}

/** As a terminal does, until the test is over. */
function keepTicking(cursors: CursorSet): void {
  const ticker = setInterval(() => cursors.tick(), 100);
  scope.onEnd(() => {
    clearInterval(ticker);
    cursors.close();
  });
}

async function publish(nc: NatsConnection, count: number): Promise<void> {
  const js = jetstream(nc);
  await Promise.all(Array.from({ length: count }, (_, n) => js.publish('orders.x', `${n}`)));
}

test('a new terminal begins behind all that was sent, also when server and sidecar forgot how far that was', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const terminals = new Terminals();
  const before = await openOrigin(nc, terminals, east);
  await publish(nc, 3_000);
  await eventually('all is sent to east', () => terminals.last(east) === 3_000);
  before.cursors.close();
  await forgetDeliveries(nc);
  const after = await openOrigin(nc, terminals, west);
  const ticker = setInterval(() => after.cursors.tick(), 100);
  scope.onEnd(() => {
    clearInterval(ticker);
    after.cursors.close();
  });
  await eventually('the group has its new terminal', () => after.cursors.progress(group).terminalId === west);
  await publish(nc, 500);
  await eventually('what is new goes to west', () => terminals.last(west) === 3_500);
  expect(terminals.sent.get(west)?.ranges).toEqual([[3_001, 3_500]]);
});

test('what a terminal that stays away may have waits, and goes elsewhere where the group says so', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const terminals = new Terminals();
  const waiting = await openOrigin(nc, terminals, east);
  await publish(nc, 100);
  await eventually('all is sent to east', () => terminals.last(east) === 100);
  waiting.cursors.receive(group, east, RangeSet.of(40));
  terminals.down.add(east);
  waiting.chosen.terminalId = west;
  const ticker = setInterval(() => waiting.cursors.tick(), 100);
  scope.onEnd(() => clearInterval(ticker));
  await eventually('the group has its new terminal', () => waiting.cursors.progress(group).terminalId === west);
  await publish(nc, 10);
  await eventually('what is new goes to west', () => terminals.last(west) === 110);
  expect(terminals.sent.get(west)?.has(100)).toBe(false);
  waiting.cursors.receive(group, west, RangeSet.of(0, [[101, 110]]));
  await publish(nc, 10);
  await eventually('and goes on', () => terminals.last(west) === 120);
  // a floor above what is out would make a terminal that takes it over leave it out
  expect(terminals.floors.get(west)).toBe(40);
  expect(terminals.sinces.filter(([terminalId]) => terminalId === west).every(([, since]) => since === 101)).toBe(true);
  waiting.cursors.close();

  const givingUp = await openOrigin(nc, terminals, west, { isLost: true });
  const secondTicker = setInterval(() => givingUp.cursors.tick(), 100);
  scope.onEnd(() => {
    clearInterval(secondTicker);
    givingUp.cursors.close();
  });
  await eventually('west has what east may have', () => terminals.sent.get(west)?.covers(41, 120) ?? false);
  expect(terminals.sent.get(west)?.has(40)).toBe(false);
  expect(terminals.floors.get(west)).toBe(40);
});

test('what is under way to a group that its terminal says is gone is parked, and holds back nobody', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const terminals = new Terminals();
  const { cursors } = await openOrigin(nc, terminals, east);
  scope.onEnd(() => cursors.close());
  await publish(nc, 20);
  await eventually('all is sent to east', () => terminals.last(east) === 20);
  cursors.receive(group, east, RangeSet.of(12));
  cursors.gone(group, west, 'another terminal does not know it');
  cursors.gone(group, east, 'no such group at this terminal');
  const jsm = await jetstreamManager(nc);
  await eventually('the capture stream is empty', async () => (await jsm.streams.info('orders')).state.messages === 0);
  expect(terminals.parked).toEqual([13, 14, 15, 16, 17, 18, 19, 20].map((seq) => `${seq} group gone`));
  await cursors.reconcile([], () => false);
  expect(cursors.size).toBe(0);
});

test('a group that is removed takes along what a terminal that stays away still owes', async () => {
  const nc = await startJetStream(scope, scope.dir());
  const terminals = new Terminals();
  const { cursors, chosen } = await openOrigin(nc, terminals, east);
  keepTicking(cursors);
  await publish(nc, 20);
  await eventually('all is sent to east', () => terminals.last(east) === 20);
  terminals.down.add(east);
  chosen.terminalId = west;
  await eventually('west serves, east still owes', () => cursors.size === 2);
  await cursors.reconcile([], (groupId) => groupId === group);
  expect(cursors.size).toBe(1);
  await cursors.reconcile([], () => false);
  expect(cursors.size).toBe(0);
  const jsm = await jetstreamManager(nc);
  await eventually('nothing is kept', async () => (await jsm.streams.info('orders')).state.messages === 0);
});

/** As after SIGKILL of nats-server: durables know their ack floors, not how far they had delivered. */
async function forgetDeliveries(nc: NatsConnection): Promise<void> {
  const jsm = await jetstreamManager(nc);
  for await (const { name } of jsm.consumers.list('orders')) await jsm.consumers.reset('orders', name);
}

test.each([
  ['made', 'add'],
  ['removed', 'delete'],
] as const)('a cursor that was %s without an answer holds nothing back', async (_, request) => {
  const nc = await startJetStream(scope, scope.dir());
  const jsm = await jetstreamManager(nc);
  const terminals = new Terminals();
  const { cursors, chosen } = await openOrigin(nc, terminals, east, { jsm });
  keepTicking(cursors);
  await publish(nc, 20);
  await eventually('all is sent to east', () => terminals.last(east) === 20);
  const answers = loseAnswers(jsm, request);
  chosen.terminalId = west;
  if (request === 'delete') {
    await eventually('west serves, east still owes', () => cursors.size === 2);
    cursors.receive(group, east, RangeSet.of(20));
  }
  await eventually('an answer is lost', () => answers.lost > 0);
  await eventually('west serves', () => cursors.progress(group).terminalId === west);
  await publish(nc, 5);
  await eventually('what is new goes to west', () => terminals.last(west) === 25);
  cursors.receive(group, east, RangeSet.of(20));
  cursors.receive(group, west, RangeSet.of(0, [[21, 25]]));
  await eventually('nothing is kept', async () => (await jsm.streams.info('orders')).state.messages === 0);
  const durables = async (): Promise<number> => (await jsm.consumers.list('orders').next()).length;
  await eventually('each durable has its cursor', async () => (await durables()) === cursors.size);
});

/** Of the first request the answer is lost: an added durable is there, one to be deleted stays. */
function loseAnswers(jsm: JetStreamManager, request: 'add' | 'delete'): { lost: number } {
  const answers = { lost: 0 };
  const { consumers } = jsm;
  const add = consumers.add.bind(consumers);
  const remove = consumers.delete.bind(consumers);
  const isFirst = (): boolean => answers.lost++ === 0;
  consumers.add = async (stream, config) => {
    const info = await add(stream, config);
    if (request === 'add' && isFirst()) throw new Error('timeout');
    return info;
  };
  consumers.delete = async (stream, name) => {
    if (request === 'delete' && isFirst()) throw new Error('timeout');
    return remove(stream, name);
  };
  return answers;
}
