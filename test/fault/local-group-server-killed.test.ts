/**
 *   publisher ─▶ stream trade ──native source──▶ stream trade@books ─▶ consumer      one nats-server, killed
 *                                                      └▶ keeper, hold
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import type { SnapshotGroup, SnapshotTopic } from '../../src/api/snapshot.ts';
import { ensureCaptureStream, ensureFeed, feedHold } from '../../src/capture/index.ts';
import { ensureGroupStream, FeedKeeper, isReleased } from '../../src/delivery/index.ts';
import { StreamWriters } from '../../src/delivery/stream-writers.ts';
import { Ledger, seeded } from '../support/bus.ts';
import { fixedBytes } from '../support/envelopes.ts';
import { eventually, freePort, natsBinary, testScope } from '../support/nats-server.ts';

/** a client's, before it asks a server that was gone again */
const retryMs = 50;
/** eight messages in each: about 2,000 a second */
const paceMs = 4;

const scope = testScope();
const streamName = 'trade@books';

const group: SnapshotGroup = {
  id: 'g1',
  name: 'books',
  terminals: ['t1'],
  policy: 'nearest',
  onFull: 'refuse',
  onTerminalLoss: 'wait',
  failoverAfterMs: 60_000,
  reassignAfterMs: 60_000,
  maxBytes: 64 * 1024 * 1024,
  ackWaitMs: 2_000,
  maxDeliver: -1,
  maxAckPending: 5_000,
};
const topic = {
  id: '00000000-0000-4000-8000-000000000001',
  name: 'trade',
  maxBytes: 256 * 1024 * 1024,
  dedupeMs: 100,
  groups: [group],
} as SnapshotTopic;

test('killed while a local group keeps up, nats-server loses nothing and stores nothing twice', {
  timeout: 120_000,
}, async () => {
  const [site, random, ledger] = [await openSite(), seeded(3), new Ledger()];
  site.keep();
  const [publishing, consuming] = [load(site.nc, ledger), consume(site.nc, ledger)];
  const more = async (count: number): Promise<void> => {
    const before = ledger.delivered;
    await eventually('it flows', async () => ledger.delivered >= before + count, 20_000);
  };
  for (let n = 0; n < 6; n++) {
    await more(300 + random(1_000));
    await site.restart(random(300));
  }
  await more(500);
  await publishing.stop();
  const verdict = await ledger.settle();
  await consuming.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.acked.size).toBeGreaterThan(1_000);
  await eventually('nothing acknowledged is left', async () => (await stored(site)) === 0);
});

test('a quiet group holds nothing that was acknowledged, and a killed nats-server brings nothing of it again', {
  timeout: 60_000,
}, async () => {
  const [site, ledger] = [await openSite(), new Ledger()];
  site.keep();
  const consuming = consume(site.nc, ledger);
  for (let n = 0; n < 3; n++) {
    await publish(site.nc, ledger, 400);
    await eventually(
      'nothing acknowledged is left',
      async () => ledger.delivered === 400 * (n + 1) && (await stored(site)) === 0,
    );
    await site.restart(0);
  }
  await publish(site.nc, ledger, 1);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consuming.stop();
});

test('with nobody to answer for the keeper, local delivery goes on and a killed nats-server stores nothing twice', {
  timeout: 60_000,
}, async () => {
  const [site, ledger] = [await openSite(), new Ledger()];
  const consuming = consume(site.nc, ledger);
  await publish(site.nc, ledger, 300);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await site.restart(0);
  await publish(site.nc, ledger, 300);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  expect(await isReleased(site.jsm, streamName, 1)).toBe(false);
  site.keep();
  await eventually('a keeper that comes back settles all of it', async () => (await stored(site)) === 0, 15_000);
  expect(await isReleased(site.jsm, streamName, 600)).toBe(true);
  await site.restart(0);
  await publish(site.nc, ledger, 1);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consuming.stop();
});

test('what the group has no room for stays in the capture stream, although the feed counts it as brought', {
  timeout: 60_000,
}, async () => {
  const [site, ledger] = [await openSite({ maxBytes: 64 * 1024, from: 1 }), new Ledger()];
  site.keep();
  await site.jsm.consumers.add('trade', { durable_name: 'other', ack_policy: AckPolicy.All });
  await publish(site.nc, ledger, 1_000);
  await eventually('the group is full', async () => (await held(site)) > 0 && (await stored(site)) > 100);
  const fed = await eventually('it stands still', async () => {
    const before = await held(site);
    await delay(200);
    return before === (await held(site)) ? before : undefined;
  });
  await site.jsm.consumers.reset('trade', site.feed, 1_001);
  await takeAll(site.nc, 'trade', 'other');
  const { state } = await site.jsm.streams.info('trade');
  expect([state.first_seq, state.last_seq]).toEqual([fed + 1, 1_000]);

  await site.restart(0);
  const consuming = consume(site.nc, ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consuming.stop();
  await eventually('nothing is held any more', async () => (await held(site)) === 1_000);
  await site.jsm.consumers.delete('trade', 'other');
  await eventually('nothing is left', async () => (await site.jsm.streams.info('trade')).state.messages === 0);
});

test('a group that begins at the end of a stream is not brought what waits there for others', {
  timeout: 60_000,
}, async () => {
  const [site, ledger] = [await openSite({ earlier: 50 }), new Ledger()];
  site.keep();
  expect(await held(site)).toBe(50);
  const consuming = consume(site.nc, ledger);
  await publish(site.nc, ledger, 1);
  await eventually('it is fed', async () => (await held(site)) === 51);
  await site.restart(0);
  await publish(site.nc, ledger, 1);
  await eventually('it is fed', async () => (await held(site)) === 52);
  // twice the time after which a gap is looked into
  await delay(2_500);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.delivered).toBe(2);
  await consuming.stop();
});

interface TestSite {
  nc: NatsConnection;
  /** its durable */
  feed: string;
  jsm: Awaited<ReturnType<typeof jetstreamManager>>;
  /** Answers for keeper and hold from now on. */
  keep(): void;
  /** SIGKILL, and a start after `pauseMs`, which is how long nobody is there. */
  restart(pauseMs: number): Promise<void>;
}

test('what was taken and consumed is not taken for passed over when nats-server forgets how far the hold was', {
  timeout: 60_000,
}, async () => {
  const [site, ledger] = [await openSite({ from: 1 }), new Ledger()];
  site.keep();
  // everything stays in the capture stream for it
  await site.jsm.consumers.add('trade', { durable_name: 'other', ack_policy: AckPolicy.All });
  const consuming = consume(site.nc, ledger);
  await publish(site.nc, ledger, 200);
  await eventually('all of it is consumed and let go', async () => (await held(site)) === 200);
  await eventually('nothing is left', async () => (await stored(site)) === 0);
  // as after a kill within a tenth of a second
  await site.jsm.consumers.reset('trade', feedHold(site.feed), 101);
  await site.restart(0);
  await publish(site.nc, ledger, 1);
  await eventually('the hold is where it was', async () => (await held(site)) === 201);
  // twice the time after which a gap is looked into
  await delay(2_500);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.delivered).toBe(201);
  await consuming.stop();
});

interface SiteOptions {
  maxBytes?: number;
  /** where the group's part begins; null: at the stream's end */
  from?: number | null;
  /** published while there is another durable and no group */
  earlier?: number;
}

async function openSite({ maxBytes = group.maxBytes, from = null, earlier = 0 }: SiteOptions = {}): Promise<TestSite> {
  const [port, dir] = [await freePort(), scope.dir()];
  let server = await start(port, dir);
  const options = { servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 };
  const nc = await eventually('nats-server', () => connect(options).catch(() => undefined));
  scope.onEnd(() => nc.close());
  const jsm = await jetstreamManager(nc);
  const capture = await ensureCaptureStream(jsm, topic, { maxMessageBytes: 1024 * 1024 });
  if (earlier > 0) await jsm.consumers.add('trade', { durable_name: 'other', ack_policy: AckPolicy.All });
  await publish(nc, new Ledger(), earlier);
  const { durable, deliverSubject } = await ensureFeed(jsm, capture.name, group, from);
  const feed = { stream: capture.name, durable, deliverSubject };
  const stream = await ensureGroupStream(jsm, topic, { ...group, maxBytes }, feed);
  let began = (): void => undefined;
  return {
    nc,
    jsm,
    feed: durable,
    keep: () => {
      const writers = new StreamWriters({
        ...{ nc, jsm, stream, macKey: fixedBytes('mac', 32), topicId: topic.id },
        onStored: () => undefined,
        onLost: () => undefined,
        isOrdered: () => false,
        storageFailures: () => 0,
      });
      const onSeen = (seq: number): void => writers.saw(seq);
      const flow = {
        originId: '00000000-0000-4000-8000-000000000002',
        topicId: topic.id,
        incarnation: capture.incarnation,
      };
      const keeper = new FeedKeeper(
        { nc, jsm },
        {
          ...{ stream: stream.name, deliverSubject: stream.keeperSubject, feed, onSeen },
          restore: async (passedOver) => void (await writers.of(flow).write(passedOver)),
        },
      );
      began = () => {
        keeper.reconnected();
        writers.reconnected();
      };
      scope.onEnd(async () => {
        keeper.stop();
        writers.close();
      });
    },
    restart: async (pauseMs) => {
      await kill(server);
      await delay(pauseMs);
      server = await start(port, dir);
      await eventually('the connection', () => nc.rtt().catch(() => undefined));
      began();
    },
  };
}

async function start(port: number, dir: string): Promise<ChildProcess> {
  const child = spawn(await natsBinary(), ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', dir], { stdio: 'ignore' });
  scope.onEnd(() => kill(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Messages of the topic that are stored, acknowledged or not. */
async function stored({ jsm }: TestSite): Promise<number> {
  const { state } = await jsm.streams.info(streamName, { subjects_filter: 'trade.>' });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

/** Up to where the hold on the feed's stream has let go. */
async function held({ jsm, feed }: TestSite): Promise<number> {
  return (await jsm.consumers.info('trade', feedHold(feed))).ack_floor.stream_seq;
}

/** Acknowledges everything at a durable with the ack policy "all". */
async function takeAll(nc: NatsConnection, stream: string, durable: string): Promise<void> {
  const consumer = await jetstream(nc).consumers.get(stream, durable);
  for await (const message of await consumer.fetch({ max_messages: 5_000, expires: 5_000 })) {
    if (message.info.pending > 0) continue;
    await message.ackAck();
    return;
  }
}

function consume(nc: NatsConnection, ledger: Ledger): { stop(): Promise<void> } {
  let isRunning = true;
  const run = async (): Promise<void> => {
    while (isRunning) {
      try {
        const consumer = await jetstream(nc).consumers.get(streamName, group.name);
        for await (const message of await consumer.fetch({ max_messages: 100, expires: 1_000 })) {
          ledger.take(message.headers?.get('Test-Id') ?? '', String(message.seq), true);
          message.ack();
        }
      } catch {
        await delay(retryMs);
      }
    }
  };
  const running = run();
  return {
    stop: async () => {
      isRunning = false;
      await running;
    },
  };
}

let published = 0;

async function publishOne(nc: NatsConnection, ledger: Ledger): Promise<void> {
  const id = String(published++);
  const head = headers();
  head.set('Test-Id', id);
  try {
    await jetstream(nc, { timeout: 3_000 }).publish('trade.x', 'x'.repeat(published % 200), { headers: head });
    ledger.acked.add(id);
  } catch {
    ledger.unknown.add(id);
  }
}

async function publish(nc: NatsConnection, ledger: Ledger, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => publishOne(nc, ledger)));
}

function load(nc: NatsConnection, ledger: Ledger): { stop(): Promise<void> } {
  let isRunning = true;
  const run = async (): Promise<void> => {
    const underWay = new Set<Promise<void>>();
    for (let n = 0; isRunning; n++) {
      const one: Promise<void> = publishOne(nc, ledger).finally(() => underWay.delete(one));
      underWay.add(one);
      if (n % 8 === 0 || underWay.size > 200) await delay(paceMs);
    }
    await Promise.all(underWay);
  };
  const running = run();
  return {
    stop: async () => {
      isRunning = false;
      await running;
    },
  };
}
