/**
 * A triangle of sites, one customer or two, every site linked to each other:
 *
 *   tokyo ═══ frankfurt        each ═ is a leaf link with accounts of its own;
 *      ╲       ╱               virginia is in client mode and dials both
 *      virginia
 */
import { readFileSync } from 'node:fs';
import type { NatsConnection } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { linkSubject } from '../../../src/site/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import {
  addLink,
  exchange,
  meshCustomer,
  snapshotFor,
  startSite,
  startSites,
  type TestBus,
  type TestCustomer,
  type TestSite,
} from '../../support/sites.ts';

const scope = testScope();

/** Answers requests of `peer` at `self`; returns the connection. */
async function serve(self: TestSite, linkId: string): Promise<NatsConnection> {
  const side = self.server.linkSide(linkId);
  const nc = await self.server.connect({ link: linkId });
  nc.subscribe(linkSubject(side.peerSite, side.selfSite, 'q'), {
    callback: (_, message) => void message.respond(`${self.name} heard ${message.string()}`),
  });
  await nc.flush();
  return nc;
}

async function ask(self: TestSite, linkId: string, text: string, timeout = 2_000): Promise<string> {
  const side = self.server.linkSide(linkId);
  const nc = await self.server.connect({ link: linkId });
  try {
    return (await nc.request(linkSubject(side.selfSite, side.peerSite, 'q'), text, { timeout })).string();
  } finally {
    await nc.close();
  }
}

async function allUp(bus: TestBus, customer: TestCustomer): Promise<void> {
  for (const site of bus.sites) {
    await eventually(`links of ${site.name}`, () =>
      customer.links.every(
        (link) => !site.server.links.some((s) => s.linkId === link.id) || site.server.isLinkUp(link.id),
      ),
    );
  }
}

const siteOf = (bus: TestBus, customer: TestCustomer, terminal: string): TestSite => {
  const found = bus.sites.find((site) => site.id === customer.terminals.find((t) => t.id === terminal)?.siteId);
  if (!found) throw new Error('no such terminal');
  return found;
};

function startTime(site: TestSite): Promise<string> {
  return fetch(`http://${site.dir.file.monitor}/varz`).then(async (r) => ((await r.json()) as { start: string }).start);
}

test('requests cross every link of a triangle both ways, for two customers apart', async () => {
  const bus = await startSites(scope, ['tokyo', 'frankfurt', 'virginia'], ['virginia']);
  const customers = [await meshCustomer('acme', bus.sites), await meshCustomer('globex', bus.sites)];
  await exchange(bus, customers);
  for (const customer of customers) {
    await allUp(bus, customer);
    for (const link of customer.links) {
      const [a, b] = [siteOf(bus, customer, link.a), siteOf(bus, customer, link.b)];
      await serve(a, link.id);
      await serve(b, link.id);
      expect(await ask(a, link.id, 'hello')).toBe(`${b.name} heard hello`);
      expect(await ask(b, link.id, 'hello')).toBe(`${a.name} heard hello`);
    }
  }
});

test('a link comes and goes without a restart, and another link does not notice', async () => {
  const bus = await startSites(scope, ['tokyo', 'frankfurt', 'osaka']);
  const [tokyo, frankfurt, osaka] = bus.sites as [TestSite, TestSite, TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  const keep = customer.links.find((l) => l.a === customer.terminals[0]?.id && l.b === customer.terminals[1]?.id)!;
  customer.links = [keep];
  await exchange(bus, [customer]);
  await allUp(bus, customer);
  await serve(frankfurt, keep.id);
  const starts = await Promise.all(bus.sites.map(startTime));
  const changes: string[] = [];
  for (const site of bus.sites)
    site.server.onLinkChange((id, isUp) =>
      changes.push(`${site.name} ${id === keep.id ? 'kept' : 'new'} ${isUp ? 'up' : 'down'}`),
    );

  let lost = 0;
  let asked = 0;
  let isOver = false;
  const traffic = (async () => {
    while (!isOver) {
      asked++;
      await ask(tokyo, keep.id, 'still there?', 1_000).catch(() => lost++);
    }
  })();

  const added = addLink(customer, tokyo, osaka);
  await exchange(bus, [customer]);
  await allUp(bus, customer);
  await serve(osaka, added.id);
  expect(await ask(tokyo, added.id, 'new')).toBe('osaka heard new');

  customer.links = [keep];
  await exchange(bus, [customer]);
  await eventually('both ends say the link is down', () => changes.filter((c) => c.endsWith('new down')).length >= 2);
  isOver = true;
  await traffic;
  expect({ lost, moving: asked > 10 }).toEqual({ lost: 0, moving: true });
  expect(changes.filter((c) => c.includes('kept'))).toEqual([]);
  expect(await Promise.all(bus.sites.map(startTime))).toEqual(starts);
  expect(() => tokyo.server.linkSide(added.id)).toThrow(/not one of this site/);
});

test('a new site joins a running bus', async () => {
  const bus = await startSites(scope, ['tokyo']);
  const first = await meshCustomer('acme', bus.sites);
  await exchange(bus, [first]);
  bus.sites.push(await startSite(scope, bus, 'virginia', 'client'));
  const customer = { ...(await meshCustomer('acme', bus.sites)), id: first.id };
  await exchange(bus, [customer]);
  await allUp(bus, customer);
  const [link] = customer.links;
  await serve(bus.sites[0] as TestSite, link!.id);
  expect(await ask(bus.sites[1] as TestSite, link!.id, 'in')).toBe('tokyo heard in');
});

test('a killed server is started again, its links return, and connections go on', async () => {
  const bus = await startSites(scope, ['tokyo', 'frankfurt']);
  const [tokyo, frankfurt] = bus.sites as [TestSite, TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  await exchange(bus, [customer]);
  await allUp(bus, customer);
  const [link] = customer.links;
  await serve(tokyo, link!.id);
  const changes: boolean[] = [];
  frankfurt.server.onLinkChange((_, isUp) => changes.push(isUp));
  const before = await startTime(tokyo);
  const pid = Number(readFileSync(tokyo.dir.at('nats/nats-server.pid'), 'utf8'));
  process.kill(pid, 'SIGKILL');
  await eventually('the peer saw it go and come', () => changes.includes(false) && changes.at(-1) === true);
  await eventually('requests cross again', () => ask(frankfurt, link!.id, 'back', 300).catch(() => undefined));
  expect(await startTime(tokyo)).not.toBe(before);
  await tokyo.server.apply(snapshotFor(bus, tokyo, [customer]), () => true);
});

test('a link that is dialled anew goes and comes back, alone', async () => {
  const bus = await startSites(scope, ['frankfurt', 'tokyo']);
  const [frankfurt] = bus.sites as [TestSite];
  const customers = [await meshCustomer('acme', bus.sites), await meshCustomer('globex', bus.sites)];
  await exchange(bus, customers);
  for (const customer of customers) await allUp(bus, customer);
  const changes: string[] = [];
  const again = customers[0]?.links[0]?.id ?? '';
  frankfurt.server.onLinkChange((id, isUp) =>
    changes.push(`${id === again ? 'this' : 'other'} ${isUp ? 'up' : 'down'}`),
  );
  await frankfurt.server.redial(again);
  await eventually('it went and came back', () => changes.length >= 2);
  expect(changes).toEqual(['this down', 'this up']);
});
