/**
 *   publisher ─▶ stream trade        arrivals ─▶ stream trade@risk ─▶ consumer      one nats-server, killed
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import type { SnapshotGroup, SnapshotTopic } from '../../../src/api/snapshot.ts';
import { ensureCaptureStream, ensureFeed } from '../../../src/capture/index.ts';
import { ensureGroupStream } from '../../../src/delivery/index.ts';
import { fixedUuid } from '../../support/envelopes.ts';
import { eventually, freePort, natsBinary, testScope } from '../../support/nats-server.ts';
import { groupOf } from '../../support/routing.ts';

const scope = testScope();
const soon = { expires: 1_000 };
const group = groupOf('risk', [], {
  maxBytes: 64 * 1024 * 1024,
  ackWaitMs: 1_000,
  maxAckPending: 1_000,
  maxDeliver: -1,
});
const topic = (...groups: SnapshotGroup[]) =>
  ({ id: fixedUuid('trade'), name: 'trade', maxBytes: 64 * 1024 * 1024, dedupeMs: 60_000, groups }) as SnapshotTopic;

test('what was acknowledged with a confirmation is not handed out again, also when nats-server is killed at once', async () => {
  const site = await startSite();
  const { arrivalPrefix } = await ensureGroupStream(await jetstreamManager(site.nc), topic(group), group, null);
  const seen: string[] = [];
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 20; n++) await jetstream(site.nc).publish(`${arrivalPrefix}trade.x`, `${round}/${n}`);
    const consumer = await jetstream(site.nc).consumers.get('trade@risk', group.name);
    for (let message = await consumer.next(soon); message !== null; message = await consumer.next(soon)) {
      seen.push(message.string());
      await message.ackAck();
    }
    await site.restart();
  }
  expect(seen).toHaveLength(100);
  expect(new Set(seen).size).toBe(100);
});

test('what is not acknowledged comes again after the ack wait, from the same place, and says so', async () => {
  const { nc } = await startSite();
  const { arrivalPrefix } = await ensureGroupStream(await jetstreamManager(nc), topic(group), group, null);
  await jetstream(nc).publish(`${arrivalPrefix}trade.x`, 'once');
  const consumer = await jetstream(nc).consumers.get('trade@risk', group.name);
  const first = await consumer.next({ expires: 5_000 });
  const again = await consumer.next({ expires: 5_000 });
  expect([first?.redelivered, again?.redelivered]).toEqual([false, true]);
  expect(again?.seq).toBe(first?.seq);
});

test('a publisher that sends a Nats-Msg-Id again within dedupeMs is stored once', async () => {
  const { nc } = await startSite();
  const jsm = await jetstreamManager(nc);
  const { name } = await ensureCaptureStream(jsm, topic(group), { maxMessageBytes: 1024 });
  await ensureFeed(jsm, name, group, null);
  const acks = [await publishWithId(nc, 'a'), await publishWithId(nc, 'a'), await publishWithId(nc, 'b')];
  expect(acks.map(({ duplicate }) => duplicate)).toEqual([false, true, false]);
});

test('a group that drops its oldest loses messages of that group alone', async () => {
  const { nc } = await startSite();
  const jsm = await jetstreamManager(nc);
  const small = groupOf('small', [], { maxBytes: 8_192, ackWaitMs: 1_000, onFull: 'dropOldest' });
  const both = topic(group, small);
  const prefixes: string[] = [];
  for (const each of both.groups) prefixes.push((await ensureGroupStream(jsm, both, each, null)).arrivalPrefix);
  for (let n = 0; n < 50; n++) {
    for (const prefix of prefixes) await jetstream(nc).publish(`${prefix}trade.x`, 'x'.repeat(500));
  }
  const counts = await Promise.all(
    ['trade@risk', 'trade@small'].map(async (name) => (await jsm.streams.info(name)).state),
  );
  expect(counts[0]?.messages).toBe(50);
  expect(counts[1]?.messages).toBeLessThan(20);
  expect(counts[1]?.last_seq).toBe(50);
});

async function publishWithId(nc: NatsConnection, msgID: string) {
  return jetstream(nc).publish('trade.x', 'x', { msgID, headers: headers() });
}

async function startSite(): Promise<{ nc: NatsConnection; restart: () => Promise<void> }> {
  const [port, dir] = [await freePort(), scope.dir()];
  let server = await startServer(port, dir);
  const options = { servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 };
  const nc = await eventually('nats-server', () => connect(options).catch(() => undefined));
  scope.onEnd(() => nc.close());
  const restart = async (): Promise<void> => {
    await kill(server);
    server = await startServer(port, dir);
    await eventually('the connection', () => nc.rtt().catch(() => undefined));
  };
  return { nc, restart };
}

async function startServer(port: number, dir: string): Promise<ChildProcess> {
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
