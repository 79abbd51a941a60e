/**
 * One site, two customers, applications with `.creds` files:
 *
 *   acme/exchange ─▶ trade      ┐                  ┌ trade@risk ─▶ acme/risk
 *   acme/outsider (no rights)   ├─ nats-server ────┤
 *   globex/spy                  ┘                  └ trade@desk
 */
import { readFileSync } from 'node:fs';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { natsCall } from '../../../src/nats/index.ts';
import { type AppWorld, appWorld, createStreams } from '../../support/app-world.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { newApp, newTopic, snapshotFor } from '../../support/sites.ts';

const scope = testScope();
const world = (): Promise<AppWorld> => appWorld(scope);

/** Whether the server answers it. */
function isConnected(nc: NatsConnection): Promise<boolean> {
  return nc.rtt().then(
    () => true,
    () => false,
  );
}

/** What comes back to a request: the first 60 characters, or the error's name. */
async function answer(nc: NatsConnection, subject: string, body = ''): Promise<string> {
  try {
    return (await nc.request(subject, body, { timeout: 700 })).string().slice(0, 60);
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

test('an app publishes its topics and consumes its groups with only URL and creds', async () => {
  const { as } = await world();
  const js = jetstream(await as('acme', 'exchange'));
  await js.publish('trade.eu.1', 'buy');
  await js.publish('note', 'hi');
  const reader = jetstream(await as('acme', 'risk'));
  for (const [stream, durable, subject] of [
    ['trade@risk', 'risk', 'trade.eu.1'],
    ['note', 'self', 'note'],
  ] as const) {
    const consumer = await reader.consumers.get(stream, durable);
    const message = await consumer.next({ expires: 10_000 });
    expect(message?.subject).toBe(subject);
    expect(await message?.ackAck()).toBe(true);
  }
});

test('an app reaches nothing that its rights do not name', async () => {
  const { as, site, acme } = await world();
  const reader = await as('acme', 'risk');
  const owner = jetstream(await as('acme', 'exchange'));
  await owner.publish('trade.1', 'x');
  const refused = [
    '$JS.API.STREAM.NAMES',
    '$JS.API.INFO',
    '$JS.API.STREAM.INFO.trade',
    '$JS.API.STREAM.PURGE.trade',
    '$JS.API.STREAM.DELETE.trade',
    '$JS.API.STREAM.CREATE.x',
    '$JS.API.STREAM.UPDATE.trade',
    '$JS.API.STREAM.SNAPSHOT.trade',
    '$JS.API.STREAM.RESTORE.y',
    '$JS.API.STREAM.MSG.GET.trade',
    '$JS.API.DIRECT.GET.trade',
    '$JS.API.ACCOUNT.PURGE.x',
    '$JS.API.CONSUMER.CREATE.trade',
    '$JS.API.CONSUMER.DELETE.trade@risk.risk',
    '$JS.API.CONSUMER.PAUSE.trade@risk.risk',
    '$JS.API.CONSUMER.RESET.trade@risk.risk',
    '$JS.API.CONSUMER.INFO.trade@desk.desk',
    '$JS.API.CONSUMER.MSG.NEXT.trade@desk.desk',
    '$JS.API.CONSUMER.UNPIN.trade@risk.risk',
    '$JS.hub.API.STREAM.NAMES',
    '$SYS.REQ.ACCOUNT.PING.CONNZ',
    '$SYS.REQ.USER.INFO',
    '$LDS.x',
    '$GR.x',
    'trade.1',
    'note',
    '_mb.in.guess.trade',
    '_mb.mark.guess.x',
    'mb.l.a.b.q',
    'mb.ctl.notice',
    '$JS.ACK.trade@desk.desk.1.1.1.1.1',
    '$JS.FC.x',
  ];
  const answers = await Promise.all(refused.map(async (subject) => `${subject}: ${await answer(reader, subject)}`));
  expect(answers.filter((line) => line.includes('{'))).toEqual([]);
  const errors: string[] = [];
  const watcher = await as('acme', 'outsider');
  void (async () => {
    for await (const status of watcher.status()) if (status.type === 'error') errors.push(String(status.error));
  })();
  let heard = 0;
  for (const subject of ['>', '*.>', '*', '$JS.>', '_mb.>', 'mb.>', 'trade.>', '$LDS.>', '$SYS.>'])
    watcher.subscribe(subject, { callback: (error) => void (error ?? heard++) });
  await watcher.flush();
  for (let i = 0; i < 50; i++) await owner.publish('trade.2', 'secret');
  await eventually('every subscription was refused', () => errors.length >= 9);
  expect(heard).toBe(0);
  const manager = await jetstreamManager(await site.server.connect({ customer: acme.id }));
  const stored = async (): Promise<number> => (await manager.streams.info('trade@risk')).state.messages;
  await eventually('the group has them', async () => (await stored()) >= 51);
  expect(await stored()).toBe(51);
});

test('another customer with the same names reads and changes nothing', async () => {
  const { as, site, acme } = await world();
  await jetstream(await as('acme', 'exchange')).publish('trade.1', 'of acme');
  const spy = await as('globex', 'spy');
  const consumer = await jetstream(spy).consumers.get('trade@risk', 'risk');
  expect(await consumer.next({ expires: 1_000 })).toBeNull();
  await jetstream(spy).publish('trade.1', 'of globex');
  const manager = await jetstreamManager(await site.server.connect({ customer: acme.id }));
  expect((await manager.streams.info('trade')).state.last_seq).toBe(1);
});

test('rights change with the next apply: same creds, only that app reconnects', async () => {
  const { as, apply, exchange, site } = await world();
  const [publisher, reader] = [await as('acme', 'exchange', { reconnectTimeWait: 50 }), await as('acme', 'risk')];
  const events: string[] = [];
  for (const [name, nc] of [
    ['exchange', publisher],
    ['risk', reader],
  ] as const) {
    void (async () => {
      for await (const { type } of nc.status()) events.push(`${name} ${type}`);
    })();
  }
  const creds = readFileSync(site.dir.credsPath('acme', 'exchange'), 'utf8');
  exchange.publish = ['note'];
  await apply();
  await eventually('exchange is back', () => events.includes('exchange reconnect'));
  await expect(jetstream(publisher).publish('trade.1', 'no')).rejects.toThrow(/permission|Permission/i);
  exchange.publish = ['note', 'trade'];
  await apply();
  await eventually('publishing is allowed again', () =>
    jetstream(publisher)
      .publish('trade.1', 'yes')
      .catch(() => undefined),
  );
  expect(readFileSync(site.dir.credsPath('acme', 'exchange'), 'utf8')).toBe(creds);
  expect(events.filter((event) => event.startsWith('risk'))).toEqual([]);
});

test('nothing is granted before a topic is ready, and ready stays granted', async () => {
  const { bus, site, acme, globex, as } = await world();
  const late = newTopic('late', ['self'], [], 'lan');
  acme.topics.push(late);
  acme.apps.get(site.id)?.push(newApp('early', ['late'], []));
  const snapshot = snapshotFor(bus, site, [acme, globex]);
  await site.server.apply(snapshot, () => false);
  const early = await as('acme', 'early', { reconnectTimeWait: 50 });
  await expect(jetstream(early).publish('late', 'x')).rejects.toThrow(/permission/i);
  await jetstream(await as('acme', 'exchange')).publish('trade.1', 'ready before, so still granted');
  await site.server.apply(snapshot, (_, topic) => topic === late.id);
  await createStreams(site, { ...acme, topics: [late] });
  await eventually('granted', () =>
    jetstream(early)
      .publish('late', 'x')
      .catch(() => undefined),
  );
});

test('a customer has the connections, payloads, storage and consumers that are declared for it, another one what it had', async () => {
  const { as, apply, acme, bus, site } = await world();
  acme.limits = { maxConnections: 8, maxPayload: 2_000, maxStorage: 64 * 1024 * 1024, maxConsumers: 8 };
  await apply();
  const publisher = jetstream(await as('acme', 'exchange'));
  await publisher.publish('trade.1', Buffer.alloc(1_900));
  await expect(publisher.publish('trade.1', Buffer.alloc(2_100))).rejects.toThrow(/payload/i);
  const spy = jetstream(await as('globex', 'spy'));
  await spy.publish('trade.1', Buffer.alloc(2_100));
  const manager = await jetstreamManager(await site.server.connect({ customer: acme.id }));
  const large = { name: 'large', subjects: ['large'], max_bytes: 65 * 1024 * 1024 };
  await expect(natsCall('large', () => manager.streams.add(large))).rejects.toMatchObject({ code: 'E_CUSTOMER_FULL' });
  const consumer = (n: number) =>
    natsCall('consumer', () => manager.consumers.add('trade', { name: `c${n}`, ack_policy: AckPolicy.None }));
  const tooMany = (await Promise.allSettled(Array.from({ length: 9 }, (_, n) => consumer(n)))).filter(
    ({ status }) => status === 'rejected',
  );
  expect(tooMany[0]).toMatchObject({ reason: { code: 'E_CUSTOMER_FULL' } });
  const [usage] = await site.server.usage(snapshotFor(bus, site, [acme]).customers);
  expect(usage).toMatchObject({ customerId: acme.id, maxConnections: 8, consumers: 8, maxConsumers: 8 });
  expect(usage?.connections).toBeGreaterThan(0);
  expect(usage?.storageBytes).toBeGreaterThan(1_900);
  const more = Array.from({ length: 8 }, () => as('acme', 'exchange', { reconnect: false }));
  const refused = (await Promise.allSettled(more)).filter(({ status }) => status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
});

test('a removed app is out at once and stays out', async () => {
  const { as, apply, acme, site } = await world();
  const publisher = await as('acme', 'exchange', { reconnectTimeWait: 50 });
  acme.apps.set(site.id, []);
  await apply();
  const reason = await publisher.closed();
  expect(String(reason)).toMatch(/authorization|authentication/i);
});

test('a credential that ends: the next one is there before, who reads it comes back, who does not stays out', async () => {
  const { as, apply, bus, acme, site, exchange } = await world();
  const path = site.dir.credsPath('acme', 'exchange');
  exchange.credentialLifeMs = 6_000;
  await apply();
  const old = readFileSync(path);
  expect(site.server.credentialsDueMs).toBeLessThan(Date.now() + 4_000);
  const again = { reconnectTimeWait: 50, maxReconnectAttempts: -1, ignoreAuthErrorAbort: true };
  const reading = credsAuthenticator(() => readFileSync(path));
  const reader = await as('acme', 'exchange', { authenticator: reading, ...again });
  const keeper = await as('acme', 'exchange', { reconnect: false });
  const { customers } = snapshotFor(bus, site, [acme]);
  await eventually('it is due', () => Date.now() >= site.server.credentialsDueMs);
  await apply();
  expect(readFileSync(path)).not.toEqual(old);
  await eventually('it is said that both end soon', async () =>
    (await site.server.endingSoon(customers)).some(({ text }) =>
      text.startsWith('2 connections of acme/exchange end on'),
    ),
  );
  await keeper.closed();
  await eventually('the reader is back', () => isConnected(reader));
  await jetstream(reader).publish('trade.1', 'x');
  const kept = { authenticator: credsAuthenticator(old), reconnect: false };
  await expect(as('acme', 'exchange', kept)).rejects.toThrow(/[Aa]uth/);
  exchange.credentialLifeMs = null;
  await apply();
  expect(site.server.credentialsDueMs).toBe(Number.POSITIVE_INFINITY);
  expect(await site.server.endingSoon(snapshotFor(bus, site, [acme]).customers)).toEqual([]);
});
