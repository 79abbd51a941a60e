/**
 *   frankfurt ──▶ front ──▶ dead | alive ──▶ tokyo     the connection that stands goes through `dead`, which falls silent
 *                                                      for good; whatever is dialled after that takes `alive`
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { LinkProxy } from '../../../src/lab/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { splitAddress } from '../../../src/server/index.ts';
import { LinkSession } from '../../../src/transit/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { exchange, meshCustomer, startSites, type TestSite } from '../../support/sites.ts';

const scope = testScope();

async function listen(port: number): Promise<LinkProxy> {
  const proxy = await LinkProxy.listen({ host: '127.0.0.1', port });
  scope.onEnd(() => proxy.close());
  return proxy;
}

async function startSession(site: TestSite, linkId: string, onRedial: () => void): Promise<LinkSession> {
  const side = site.server.linkSide(linkId);
  const nc: NatsConnection = await site.server.connect({ link: linkId });
  const session = new LinkSession({
    nc,
    linkId,
    self: side.selfSite,
    peer: side.peerSite,
    peerName: side.peerName,
    clock: systemClock,
    log: silentLogger,
    onFrame: async () => undefined,
    onNote: () => undefined,
    onRecord: () => undefined,
    onFacts: () => undefined,
    onState: () => undefined,
    isConnected: () => site.server.isLinkUp(linkId),
    redial: async () => {
      onRedial();
      await site.server.redial(linkId);
    },
  });
  session.start();
  scope.onEnd(() => session.stop());
  return session;
}

test('a leaf connection that looks alive and carries nothing is torn down and dialled anew', {
  timeout: 60_000,
}, async () => {
  const bus = await startSites(scope, ['frankfurt', 'tokyo']);
  const [frankfurt, tokyo] = bus.sites as [TestSite, TestSite];
  const { port } = splitAddress(tokyo.address ?? '');
  const [dead, alive] = [await listen(port), await listen(port)];
  const front = await listen(dead.port);
  const customer = await meshCustomer('acme', bus.sites);
  const link = customer.links[0]!;
  link.url = `127.0.0.1:${front.port}`;
  await exchange(bus, [customer]);
  await eventually('the leaf connection', () => frankfurt.server.isLinkUp(link.id) && tokyo.server.isLinkUp(link.id));
  let redials = 0;
  const sessions = [
    await startSession(frankfurt, link.id, () => {
      redials += 1;
    }),
    await startSession(tokyo, link.id, () => undefined),
  ];
  await eventually('both ends are up', () => sessions.every(({ isUp }) => isUp));
  front.retarget({ host: '127.0.0.1', port: alive.port });
  dead.silence();
  await eventually('both ends are silent', () => sessions.every(({ state }) => state === 'silent'), 3_000);
  expect(frankfurt.server.isLinkUp(link.id)).toBe(true);
  await eventually('both ends are up again', () => sessions.every(({ isUp }) => isUp), 30_000);
  expect(redials).toBe(1);
  expect(alive.stats.bytes.up).toBeGreaterThan(0);
});
