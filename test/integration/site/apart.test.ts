/**
 * The applications of a customer that keeps them apart, each in an account of its own beside the customer's:
 *
 *   A-exchange ─▶ trade, note ─▶ C-acme: trade, trade@risk, trade@desk, note ─▶ A-risk, A-rogue
 */
import { readFileSync } from 'node:fs';
import { type Consumer, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { connect as connectOlder, credsAuthenticator as olderCreds } from 'nats';
import { expect, test } from 'vitest';
import { type AppWorld, appWorld } from '../../support/app-world.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { newApp, snapshotFor } from '../../support/sites.ts';

const scope = testScope();

async function apartWorld(): Promise<AppWorld> {
  const world = await appWorld(scope);
  world.acme.apps.get(world.site.id)?.push(newApp('rogue', ['note'], ['note@self']));
  world.acme.isolateApps = true;
  await world.apply();
  return world;
}

/** Everything a pull brings, acknowledged. */
async function take(consumer: Consumer, max: number): Promise<JsMsg[]> {
  const messages: JsMsg[] = [];
  for await (const message of await consumer.fetch({ max_messages: max, expires: 5_000 })) {
    message.ack();
    messages.push(message);
  }
  return messages;
}

/** The statuses that answer a pull, until one of them ends it. */
async function statuses(nc: NatsConnection, at: string, pull: object): Promise<string[]> {
  const inbox = `_INBOX.statuses-${Math.random()}`;
  const answers = nc.subscribe(inbox);
  nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${at}`, JSON.stringify(pull), { reply: inbox });
  const found: string[] = [];
  for await (const { headers: head } of answers) {
    found.push(`${head?.code} ${head?.description}`);
    if (head?.code !== 100) break;
  }
  return found;
}

test('plain clients publish, pull and acknowledge as anywhere else', async () => {
  const { as, site } = await apartWorld();
  const [publisher, reader] = [await as('acme', 'exchange'), await as('acme', 'risk')];
  const js = jetstream(publisher);
  const first = headers();
  first.set('Own', 'header');
  await js.publish('trade.1', 'one', { msgID: 'once', headers: first });
  expect((await js.publish('trade.1', 'one', { msgID: 'once' })).duplicate).toBe(true);
  publisher.publish('trade.2', 'nobody asks for an answer');
  await publisher.flush();
  const consumer = await jetstream(reader).consumers.get('trade@risk', 'risk');
  const [one, two] = await take(consumer, 2);
  expect([one?.subject, one?.string(), one?.headers?.get('Own')]).toEqual(['trade.1', 'one', 'header']);
  expect([...(one?.headers?.keys() ?? [])].sort()).toEqual(['Nats-Msg-Id', 'Nats-Stream-Source', 'Own']);
  expect(two?.string()).toBe('nobody asks for an answer');
  await js.publish('trade.3', 'again');
  const again = await consumer.next({ expires: 5_000 });
  again?.working();
  again?.nak();
  const redelivered = await consumer.next({ expires: 5_000 });
  expect(redelivered?.info.deliveryCount).toBe(2);
  expect(await redelivered?.ackAck()).toBe(true);
  await js.publish('trade.4', 'never');
  (await consumer.next({ expires: 5_000 }))?.term();
  await reader.flush();
  expect((await consumer.info()).num_ack_pending).toBe(0);
  const older = await connectOlder({
    servers: site.dir.file.listen,
    authenticator: olderCreds(readFileSync(site.dir.credsPath('acme', 'exchange'))),
    // as such customers' clients were once told to
    inboxPrefix: '_INBOX_exchange',
  });
  scope.onEnd(() => older.close());
  expect((await older.jetstream().publish('trade.5', 'x')).stream).toBe('trade');
  expect((await take(consumer, 1)).map(({ subject }) => subject)).toEqual(['trade.5']);
});

test('a pull ends with what nats-server says of it, and empty messages end none', async () => {
  const { as } = await apartWorld();
  const [publisher, reader] = [await as('acme', 'exchange'), await as('acme', 'risk')];
  expect(await statuses(reader, 'trade@risk.risk', { batch: 3, no_wait: true })).toEqual(['404 No Messages']);
  const waiting = { batch: 3, expires: 500e6, idle_heartbeat: 200e6 };
  const beats = ['100 Idle Heartbeat', '100 Idle Heartbeat', '408 Request Timeout'];
  expect(await statuses(reader, 'trade@risk.risk', waiting)).toEqual(beats);
  for (const [topic, stream, durable] of [
    ['trade', 'trade@risk', 'risk'],
    ['note', 'note', 'self'],
  ] as const) {
    const texts = ['', '', 'text', '', 'last'];
    for (const text of texts) await jetstream(publisher).publish(topic, text);
    const consumer = await jetstream(reader).consumers.get(stream, durable);
    expect((await take(consumer, texts.length)).map((message) => message.string())).toEqual(texts);
  }
});

test('whatever reply subject a request names, it reaches nothing that the application has no right to', async () => {
  const { as, site, acme } = await apartWorld();
  const rogue = await as('acme', 'rogue');
  const manager = await jetstreamManager(await site.server.connect({ customer: acme.id }));
  for (let n = 0; n < 3; n++) await jetstream(await as('acme', 'exchange')).publish('trade.1', `${n}`);
  await eventually('the groups have them', async () => (await manager.streams.info('trade@desk')).state.messages === 3);
  const state = async (): Promise<unknown> => {
    const consumers = await manager.consumers.list('trade').next();
    const desk = await manager.consumers.info('trade@desk', 'desk');
    const stored = await Promise.all(['trade', 'trade@risk', 'trade@desk'].map((name) => manager.streams.info(name)));
    const counts = stored.map(({ state: { messages, last_seq } }) => [messages, last_seq]);
    return [counts, consumers.map(({ name }) => name), desk.delivered, desk.ack_floor];
  };
  const before = await state();
  const spy = { durable_name: 'spy', deliver_subject: '_INBOX.spy', ack_policy: 'none' };
  const carried: [reply: string, body: string][] = [
    ...['$JS.API', '$BUS.API'].flatMap((api): [string, string][] => [
      [`${api}.STREAM.PURGE.trade@desk`, ''],
      [`${api}.STREAM.DELETE.trade@desk`, ''],
      [`${api}.CONSUMER.DURABLE.CREATE.trade.spy`, JSON.stringify({ stream_name: 'trade', config: spy })],
      [`${api}.CONSUMER.MSG.NEXT.trade@desk.desk`, '{"batch":3,"expires":1000000000}'],
    ]),
    ['trade.forged', 'forged'],
  ];
  // nats-server takes these from no client
  const reserved = ['$JS.ACK.trade@desk.desk.1.1.1.1.0', '_R_.x'];
  for (const reply of reserved) carried.push([reply, '+ACK']);
  const self = await jetstream(rogue).consumers.get('note', 'self');
  for (const [reply, body] of carried) {
    for (const subject of ['note', '$JS.API.CONSUMER.INFO.note.self']) rogue.publish(subject, '', { reply });
    await jetstream(rogue).publish('note', 'behind the one before');
    await take(self, (await self.info()).num_pending);
    // the first is given a status without a body, the second what is stored
    rogue.publish('$JS.API.CONSUMER.MSG.NEXT.note.self', '{"batch":1,"no_wait":true}', { reply });
    await jetstream(rogue).publish('note', body);
    rogue.publish('$JS.API.CONSUMER.MSG.NEXT.note.self', '{"batch":1,"no_wait":true}', { reply });
  }
  // behind all those pulls and whatever they called forth
  await jetstream(rogue).publish('note', 'after all');
  for (let text = ''; text !== 'after all'; ) text = (await take(self, 1))[0]?.string() ?? '';
  expect(await state()).toEqual(before);
  const snoop = await as('acme', 'risk');
  let heard = 0;
  for (const subject of ['_INBOX.>', '_INBOX_risk.>'])
    snoop.subscribe(subject, { callback: (error) => void (error ?? heard++) });
  await snoop.flush();
  await jetstream(rogue).publish('note', 'answered to nobody else');
  await snoop.flush();
  expect(heard).toBe(0);
});

test('a running customer keeps its applications apart, shuts one out, and takes them together again', async () => {
  const world = await appWorld(scope);
  const { as, apply, acme, bus, site, exchange } = world;
  const path = site.dir.credsPath('acme', 'exchange');
  const together = await as('acme', 'exchange', { reconnect: false });
  const creds = readFileSync(path, 'utf8');
  acme.isolateApps = true;
  acme.limits = { ...acme.limits, maxConnections: 8 };
  exchange.credentialLifeMs = 60_000;
  await apply();
  await together.closed();
  expect(readFileSync(path, 'utf8')).not.toBe(creds);
  const apart = await as('acme', 'exchange', { reconnect: false });
  await jetstream(apart).publish('trade.1', 'x');
  const reader = await as('acme', 'risk', { reconnect: false });
  for (let n = 0; n < 2; n++) await as('acme', 'exchange');
  const { customers } = snapshotFor(bus, site, [acme]);
  expect(await site.server.usage(customers)).toMatchObject([{ connections: 3, maxConnections: 8 }]);
  exchange.publish = ['note'];
  await apply();
  const narrowed = jetstream(await as('acme', 'exchange'));
  await expect(narrowed.publish('trade.1', 'x')).rejects.toThrow(/permission/i);
  await narrowed.publish('note', 'x');
  exchange.publish = ['note', 'trade'];
  await apply();
  await jetstream(await as('acme', 'exchange')).publish('trade.1', 'wider again');
  // rights of one disturb no other
  await reader.flush();
  acme.apps.set(site.id, [exchange]);
  await apply();
  expect(String(await reader.closed())).toMatch(/auth/i);
  acme.isolateApps = false;
  exchange.publish = ['trade'];
  await apply();
  await jetstream(await as('acme', 'exchange')).publish('trade.1', 'together again');
});
