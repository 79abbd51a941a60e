/**
 * The leaf port of a site, tried by strangers and by a peer that misbehaves:
 *
 *   frankfurt ─┐
 *              ├══▶ tokyo (accepts)        stranger ─▶ tokyo's leaf port
 *   osaka ─────┘
 */
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { credsAuthenticator, jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { linkSubject } from '../../../src/site/index.ts';
import { createCa, createCsr, createKey, encodeUserJwt, issueCertificate } from '../../../src/trust/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { exchange, meshCustomer, newApp, snapshotFor, startSites, type TestSite } from '../../support/sites.ts';

const scope = testScope();

/** First bytes a stranger gets from the port, or why not. */
function knock(site: TestSite, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const [host, port] = (site.address ?? '').split(':');
    const socket: TLSSocket = connectTls({ host: host ?? '', port: Number(port), minVersion: 'TLSv1.3', ...options });
    socket.once('data', (data) => resolve(data.toString('utf8').slice(0, 5)));
    socket.once('error', (error) => resolve(`error ${'code' in error ? String(error.code) : error.message}`));
    socket.once('close', () => resolve('closed'));
    socket.setTimeout(3_000, () => resolve('silent'));
    scope.onEnd(() => socket.destroy());
  });
}

/** A connection into an account of the site with every right, as a peer that broke its own site could make. */
async function unbound(site: TestSite, account: string): Promise<NatsConnection> {
  const user = createKey('user');
  const jwt = await encodeUserJwt(
    { name: 'rogue', connections: ['STANDARD'] },
    user.getPublicKey(),
    await site.dir.key(account, 'account'),
  );
  const nc = await connect({ servers: site.dir.file.listen, authenticator: jwtAuthenticator(jwt, user.getSeed()) });
  scope.onEnd(() => nc.close());
  return nc;
}

async function listen(nc: NatsConnection): Promise<string[]> {
  const heard: string[] = [];
  nc.subscribe('>', { callback: (_, message) => void heard.push(message.subject) });
  await nc.flush();
  return heard;
}

/** Sends all, again and again: interest takes a moment to cross a link. The last one is sent last, so all before it had their chance. */
async function sendUntilHeard(from: NatsConnection, subjects: string[], heard: string[], last: string): Promise<void> {
  await eventually(`${last} is heard twice`, async () => {
    for (const subject of subjects) from.publish(subject, 'x');
    await from.flush();
    return heard.filter((subject) => subject === last).length >= 2;
  });
}

test('strangers learn nothing: wrong CA, no certificate, old TLS, plain TCP', async () => {
  const bus = await startSites(scope, ['tokyo']);
  const [tokyo] = bus.sites as [TestSite];
  const { certFile, keyFile } = tokyo.dir.tls;
  const member = { ca: bus.ca.certPem, cert: readFileSync(certFile), key: readFileSync(keyFile) };
  expect(await knock(tokyo, member)).toBe('INFO ');

  const other = await createCa({ name: 'other bus' });
  const csr = await createCsr({ commonName: 'tokyo' });
  const forged = issueCertificate({
    ca: other,
    csrPem: csr.csrPem,
    commonName: 'tokyo',
    names: ['127.0.0.1'],
    days: 1,
  });
  const expired = issueCertificate({
    ca: bus.ca,
    csrPem: csr.csrPem,
    commonName: 'tokyo',
    names: ['127.0.0.1'],
    days: 1,
    startDaysAgo: 5,
  });
  const tries: [string, ConnectionOptions][] = [
    ['another CA', { ca: bus.ca.certPem, cert: forged, key: csr.keyPem }],
    ['expired', { ca: bus.ca.certPem, cert: expired, key: csr.keyPem }],
    ['no certificate', { ca: bus.ca.certPem }],
    ['TLS 1.2', { ...member, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
  ];
  for (const [what, options] of tries) expect(`${what}: ${await knock(tokyo, options)}`).toMatch(/error|closed/);

  const plain = connectTcp({ host: '127.0.0.1', port: Number(tokyo.address?.split(':')[1]) });
  scope.onEnd(() => plain.destroy());
  let bytes = '';
  plain.on('data', (data) => {
    bytes += data.toString('latin1');
  });
  plain.write('CONNECT {}\r\nPING\r\n');
  await new Promise((resolve) => plain.once('close', resolve).once('error', resolve));
  expect(bytes).not.toMatch(/INFO|PONG/);
  expect(await knock(tokyo, member)).toBe('INFO ');
});

test('a site whose certificate names another host is not dialled', async () => {
  const bus = await startSites(scope, ['frankfurt', 'tokyo']);
  const [frankfurt, tokyo] = bus.sites as [TestSite, TestSite];
  const csrPem = await tokyo.dir.csr();
  const certificate = (names: string[]): string =>
    issueCertificate({ ca: bus.ca, csrPem, commonName: 'tokyo', names, days: 1 });
  await tokyo.dir.storeCertificate(certificate(['tokyo.example.net']), bus.ca.certPem);
  const customer = await meshCustomer('acme', bus.sites);
  await exchange(bus, [customer]);
  const log = (): string => readFileSync(frankfurt.dir.at('nats/nats-server.log'), 'utf8');
  await eventually('the dialler refuses the name', () => /x509.*(127\.0\.0\.1|IP SANs)/.test(log()));
  expect(frankfurt.server.isLinkUp(customer.links[0]!.id)).toBe(false);
  // a renewed certificate is taken without a restart
  await tokyo.dir.storeCertificate(certificate(['127.0.0.1']), bus.ca.certPem);
  await tokyo.server.apply(snapshotFor(bus, tokyo, [customer]), () => true);
  await eventually('the link is up', () => frankfurt.server.isLinkUp(customer.links[0]!.id));
});

test('a peer reaches only its own two subject trees, on both sides of its link', async () => {
  const bus = await startSites(scope, ['frankfurt', 'osaka', 'tokyo']);
  const [frankfurt, osaka, tokyo] = bus.sites as [TestSite, TestSite, TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  await exchange(bus, [customer]);
  for (const site of bus.sites)
    await eventually('links are up', () => site.server.links.every((side) => site.server.isLinkUp(side.linkId)));

  const rogue = await unbound(frankfurt, `R-${customer.id}-${tokyo.id}`);
  const hub = await unbound(tokyo, `L-${customer.id}`);
  const [atRogue, atHub] = [await listen(rogue), await listen(hub)];
  const honest = linkSubject(frankfurt.id, tokyo.id, 'q');
  const foul = [
    linkSubject(osaka.id, tokyo.id, 'q'),
    linkSubject(frankfurt.id, osaka.id, 'q'),
    'trade.1',
    '$SYS.REQ.SERVER.PING',
    '_INBOX.x',
    '_mb.in.x',
    '$LDS.x',
  ];
  await sendUntilHeard(rogue, [...foul, honest], atHub, honest);
  expect(new Set(atHub)).toEqual(new Set([honest]));

  // what the rogue heard so far it said itself
  await rogue.flush();
  atRogue.length = 0;
  const answer = linkSubject(tokyo.id, frankfurt.id, 'r.1');
  await sendUntilHeard(hub, [linkSubject(tokyo.id, osaka.id, 'q'), 'trade.1', '_INBOX.y', answer], atRogue, answer);
  expect(new Set(atRogue)).toEqual(new Set([answer]));
});

test('credentials of one site are worth nothing at another, nor those of an unknown key', async () => {
  const bus = await startSites(scope, ['tokyo', 'frankfurt']);
  const [tokyo, frankfurt] = bus.sites as [TestSite, TestSite];
  const customer = await meshCustomer('acme', bus.sites);
  for (const site of bus.sites) customer.apps.set(site.id, [newApp('reader', [], [])]);
  await exchange(bus, [customer]);
  const creds = readFileSync(tokyo.dir.credsPath('acme', 'reader'), 'utf8');
  const enter = (site: TestSite, authenticator: ReturnType<typeof credsAuthenticator>): Promise<string> =>
    connect({ servers: site.dir.file.listen, authenticator, reconnect: false }).then(
      async (nc) => {
        await nc.close();
        return 'in';
      },
      (error: Error) => error.name,
    );
  expect(await enter(tokyo, credsAuthenticator(Buffer.from(creds)))).toBe('in');
  expect(await enter(frankfurt, credsAuthenticator(Buffer.from(creds)))).toBe('AuthorizationError');

  const [user, account] = [createKey('user'), await tokyo.dir.key(`C-${customer.id}`, 'account')];
  const claims = { name: 'x', connections: ['STANDARD' as const] };
  const unknown = await encodeUserJwt(claims, user.getPublicKey(), createKey('account'));
  const expired = await encodeUserJwt(
    { ...claims, expires: Math.floor(Date.now() / 1000) - 10 },
    user.getPublicKey(),
    account,
  );
  const leafOnly = await encodeUserJwt({ ...claims, connections: ['LEAFNODE'] }, user.getPublicKey(), account);
  for (const jwt of [unknown, expired, leafOnly, expired.slice(0, -4)]) {
    expect(await enter(tokyo, jwtAuthenticator(jwt, user.getSeed()))).toBe('AuthorizationError');
  }
  expect(await enter(tokyo, credsAuthenticator(Buffer.from(creds)))).toBe('in');
});
