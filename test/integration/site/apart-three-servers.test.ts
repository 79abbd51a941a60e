/**
 *   A-clerk ─▶ C-acme: trade ─▶ trade@risk ─▶ A-clerk      one site of nats-servers 1 ═ 2 ═ 3, its applications kept apart
 */
import { readFileSync } from 'node:fs';
import { AckPolicy, jetstream, RetentionPolicy } from '@nats-io/jetstream';
import { credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import type { SnapshotApp } from '../../../src/api/snapshot.ts';
import { silentLogger } from '../../../src/log.ts';
import { streamManager } from '../../../src/nats/index.ts';
import { findRunning } from '../../../src/server/index.ts';
import { SiteServer, serverPlaces } from '../../../src/site/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { joinSite, meshCustomer, newApp, newTopic, snapshotFor, startSites } from '../../support/sites.ts';

const scope = testScope();
const soon = 60_000;

test('an application works at each server, goes on when one dies, and is out at all of them when it is removed', {
  timeout: 240_000,
}, async () => {
  const bus = await startSites(scope, []);
  const dir = await joinSite(scope.dir('site-tokyo'), bus, 'tokyo', 'server', 3);
  const server = new SiteServer({ dir, log: silentLogger });
  scope.onEnd(() => server.stopServer());
  await server.open();
  await server.start();
  const site = {
    name: 'tokyo',
    id: dir.file.siteId,
    mode: 'server' as const,
    address: dir.file.leafListen,
    dir,
    server,
  };
  const acme = { ...(await meshCustomer('acme', [site])), isolateApps: true };
  acme.topics = [newTopic('trade', ['risk'], [])];
  const apply = async (apps: SnapshotApp[]): Promise<void> => {
    acme.apps.set(site.id, apps);
    await server.apply(snapshotFor({ ...bus, sites: [site] }, site, [acme]), () => true);
  };
  const clerk = newApp('clerk', ['trade'], ['trade@risk']);
  await apply([clerk]);
  const manager = await streamManager(await server.connect({ customer: acme.id }));
  await manager.streams.add({ name: 'trade', subjects: ['trade', 'trade.>'] });
  await manager.streams.add({ name: 'trade@risk', sources: [{ name: 'trade' }], retention: RetentionPolicy.Workqueue });
  await manager.consumers.add('trade@risk', { durable_name: 'risk', ack_policy: AckPolicy.Explicit });

  const addresses = serverPlaces(dir).map(({ listen }) => listen);
  const creds = readFileSync(dir.credsPath('acme', 'clerk'));
  const at = async (servers: string | string[], options = {}): Promise<NatsConnection> => {
    const nc = await connect({ servers, authenticator: credsAuthenticator(creds), noRandomize: true, ...options });
    scope.onEnd(() => nc.close());
    return nc;
  };
  /** Publishes and takes a hundred messages over each connection. */
  const exchange = async (nc: NatsConnection, name: string): Promise<string[]> => {
    const js = jetstream(nc);
    const texts = Array.from({ length: 100 }, (_, n) => `${name} ${n}`);
    for (const text of texts) {
      const publish = () => js.publish('trade.x', text, { msgID: text, timeout: 2_000 });
      await eventually(
        'it is taken',
        () =>
          publish()
            .then(() => true)
            .catch(() => false),
        soon,
      );
    }
    const consumer = await js.consumers.get('trade@risk', 'risk');
    const seen = new Set<string>();
    await eventually(
      'all of them come',
      async () => {
        for await (const message of await consumer.fetch({ max_messages: 100 - seen.size, expires: 2_000 })) {
          seen.add(message.string());
          await message.ackAck();
        }
        return seen.size === texts.length;
      },
      soon,
    );
    return [...seen];
  };
  for (const address of addresses) {
    const nc = await at(address);
    expect(await exchange(nc, address)).toHaveLength(100);
    await nc.close();
  }

  const moving = await at(addresses.toReversed(), { reconnectTimeWait: 100, maxReconnectAttempts: -1 });
  const [, , third] = serverPlaces(dir);
  findRunning({ dir: third?.home ?? '', configPath: `${third?.home}/server.conf` })?.kill('SIGKILL');
  await eventually('it has moved', () => moving.getServer() !== addresses[2], soon);
  expect(await exchange(moving, 'elsewhere')).toHaveLength(100);

  await apply([]);
  await eventually('the third is back', () => server.servers.every(({ isUp }) => isUp), soon);
  await eventually('it is cut off', () => moving.isClosed(), soon);
  for (const address of addresses) await expect(at(address, { reconnect: false })).rejects.toThrow(/auth/i);
});
