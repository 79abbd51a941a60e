/** tokyo ═══ frankfurt: the token that one dials the other with ends, and another has taken its place before that. */
import { expect, test } from 'vitest';
import { readJwt } from '../../../src/trust/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { exchange, meshCustomer, snapshotFor, startSites, type TestSite } from '../../support/sites.ts';

const scope = testScope();
const lifeMs = 30_000;

test('a token that ends is replaced before that, the link comes back with the new one, and the old one is worth nothing', {
  timeout: 180_000,
}, async () => {
  const bus = await startSites(scope, ['tokyo', 'frankfurt'], [], lifeMs);
  const [tokyo, frankfurt] = bus.sites as [TestSite, TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  await exchange(bus, [customer]);
  const link = customer.links[0]!;
  const isUp = (): boolean => bus.sites.every(({ server }) => server.isLinkUp(link.id));
  await eventually('the link is up', isUp);
  const [accepting, dialling] = tokyo.server.linkSide(link.id).isDialer ? [frankfurt, tokyo] : [tokyo, frankfurt];
  const endOf = (jwt: string | null): number => (readJwt(jwt ?? '')?.expires ?? 0) * 1000;
  const first = link.userJwt;
  await eventually('it is due', () => Date.now() >= accepting.server.credentialsDueMs, lifeMs);
  expect(endOf(first)).toBeGreaterThan(Date.now());
  await exchange(bus, [customer]);
  expect(readJwt(link.userJwt ?? '')?.subject).toBe(readJwt(first ?? '')?.subject);
  expect(endOf(link.userJwt)).toBeGreaterThan(endOf(first));
  let downs = 0;
  accepting.server.onLinkChange((_, up) => {
    if (!up) downs += 1;
  });
  await eventually('the first has ended and its connection with it', () => downs > 0, lifeMs);
  await eventually('the link is up with the second', isUp, 15_000);
  customer.links = [{ ...link, userJwt: first }];
  await dialling.server.apply(snapshotFor(bus, dialling, [customer]), () => true);
  await dialling.server.redial(link.id);
  await eventually('the first lets nobody in', () => !accepting.server.isLinkUp(link.id), 30_000);
});
