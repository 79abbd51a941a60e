/**
 * Two control replicas' nats-servers in a cluster, a site at the second:
 *
 *   admin ─▶ control-1 ═cluster═ control-2 ◀═leaf (account CTL)═ tokyo ◀─ sidecar
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { ensureServer, renderControlConfig } from '../../../src/server/index.ts';
import { createSiteDir, prepareSiteDir, SiteServer } from '../../../src/site/index.ts';
import {
  type CertificateAuthority,
  createCa,
  createCsr,
  createKey,
  encodeAccountJwt,
  encodeOperatorJwt,
  encodeUserJwt,
  issueCertificate,
  type KeyPair,
  writeFileAtomic,
} from '../../../src/trust/index.ts';
import { eventually, freeAddress, natsBinary, testScope } from '../../support/nats-server.ts';

const scope = testScope();

interface ControlTrust {
  ca: CertificateAuthority;
  operatorJwt: string;
  systemAccount: string;
  preload: Record<string, string>;
  ctl: KeyPair;
}

async function controlTrust(): Promise<ControlTrust> {
  const [operator, system, ctl] = [createKey('operator'), createKey('account'), createKey('account')];
  const limits = { hasJetStream: false, maxConnections: -1, maxLeafs: -1, maxSubscriptions: -1, scopes: [] };
  const preload: Record<string, string> = {};
  for (const [name, key] of [
    ['SYS', system],
    ['CTL', ctl],
  ] as const) {
    preload[key.getPublicKey()] = await encodeAccountJwt({ name, ...limits }, key.getPublicKey(), operator);
  }
  const systemAccount = system.getPublicKey();
  const operatorJwt = await encodeOperatorJwt('control', operator, systemAccount);
  return { ca: await createCa({ name: 'bus' }), operatorJwt, systemAccount, preload, ctl };
}

interface Replica {
  dir: string;
  listen: string;
  leafListen: string;
  clusterListen: string;
  monitor: string;
}

async function replica(): Promise<Replica> {
  return {
    dir: scope.dir('control'),
    listen: await freeAddress(),
    leafListen: await freeAddress(),
    clusterListen: await freeAddress(),
    monitor: await freeAddress(),
  };
}

async function startReplica(
  trust: ControlTrust,
  self: Replica,
  other: Replica,
  routeSecret = 'of the cluster',
): Promise<void> {
  const { dir, ...addresses } = self;
  const csr = await createCsr({ commonName: 'control' });
  const certPem = issueCertificate({
    ca: trust.ca,
    csrPem: csr.csrPem,
    commonName: 'control',
    names: ['127.0.0.1'],
    days: 1,
  });
  const tls = { certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem'), caFile: join(dir, 'ca.pem') };
  await writeFileAtomic(tls.certFile, certPem);
  await writeFileAtomic(tls.keyFile, csr.keyPem);
  await writeFileAtomic(tls.caFile, trust.ca.certPem);
  const { operatorJwt, systemAccount, preload } = trust;
  const text = renderControlConfig({
    ...addresses,
    serverName: `control-${self.listen}`,
    logFile: join(dir, 'nats-server.log'),
    operatorJwt,
    systemAccount,
    preload,
    resolverDir: join(dir, 'jwt'),
    tls,
    clusterName: 'control',
    clusterSecret: routeSecret,
    routes: [other.clusterListen],
  });
  const configPath = join(dir, 'server.conf');
  await writeFileAtomic(configPath, text);
  const server = await ensureServer({ binary: await natsBinary(), configPath, dir, log: silentLogger });
  scope.onEnd(() => server.stop());
}

async function admin(trust: ControlTrust, at: Replica): Promise<NatsConnection> {
  const user = createKey('user');
  const jwt = await encodeUserJwt({ name: 'admin', connections: ['STANDARD'] }, user.getPublicKey(), trust.ctl);
  const authenticator = jwtAuthenticator(jwt, user.getSeed());
  // the library checks an IP address against `localhost` unless told the host
  const tls = { ca: trust.ca.certPem, host: '127.0.0.1' };
  const nc = await connect({ servers: at.listen, authenticator, tls });
  scope.onEnd(() => nc.close());
  return nc;
}

test('a site reaches any replica through its control link, and only its own branch', async () => {
  const trust = await controlTrust();
  const [one, two] = [await replica(), await replica()];
  await Promise.all([startReplica(trust, one, two), startReplica(trust, two, one)]);
  const service = await admin(trust, one);
  service.subscribe('mb.ctl.*.echo', { callback: (_, message) => void message.respond(message.subject) });
  const heard: string[] = [];
  service.subscribe('mb.>', { callback: (_, message) => void heard.push(message.subject) });
  await service.flush();

  const path = scope.dir('site');
  const request = await prepareSiteDir(path, 'tokyo');
  const siteId = randomUUID();
  const rights = {
    publish: { allow: [`mb.ctl.${siteId}.>`], deny: [] },
    subscribe: { allow: [`mb.ctl.${siteId}.r.>`, 'mb.ctl.notice'], deny: [] },
  };
  const controlUserJwt = await encodeUserJwt(
    { name: 'tokyo', rights, connections: ['LEAFNODE'] },
    request.controlUser,
    trust.ctl,
  );
  const certPem = issueCertificate({ ca: trust.ca, csrPem: request.csrPem, commonName: 'tokyo', names: [], days: 1 });
  const control = { leafUrls: [two.leafListen], signKey: 'none', sealKey: 'none', caPem: trust.ca.certPem };
  const enrolment = { busId: randomUUID(), siteId, site: 'tokyo', certPem, controlUserJwt, control };
  const dir = await createSiteDir({ path, listen: '127.0.0.1:0', enrolment });
  const site = new SiteServer({ dir, log: silentLogger });
  scope.onEnd(() => site.stopServer());
  await site.start();

  const nc = await site.connect('CTL');
  const subject = `mb.ctl.${siteId}.echo`;
  const answer = await eventually('an answer', () =>
    nc.request(subject, '', { timeout: 500 }).then(
      (m) => m.string(),
      () => undefined,
    ),
  );
  expect(answer).toBe(subject);
  const notices: string[] = [];
  nc.subscribe('mb.ctl.notice', { callback: (_, message) => void notices.push(message.string()) });
  await nc.flush();
  await eventually('a notice', async () => {
    service.publish('mb.ctl.notice', '7');
    await service.flush();
    return notices.includes('7');
  });
  heard.length = 0;
  nc.publish(`mb.ctl.${randomUUID()}.echo`);
  nc.publish('mb.ctl.notice', '8');
  nc.publish(subject);
  await eventually('its own arrives', () => heard.includes(subject));
  expect(heard.filter((s) => s !== subject && !s.endsWith('notice'))).toEqual([]);
  expect(notices).not.toContain('8');
});

test('a member of the bus that is no replica cannot join the cluster', async () => {
  const trust = await controlTrust();
  const [one, stranger] = [await replica(), await replica()];
  await startReplica(trust, one, one);
  await startReplica(trust, stranger, one, 'a guess');
  const log = (): string => readFileSync(join(one.dir, 'nats-server.log'), 'utf8');
  await eventually('the stranger is refused', () =>
    /authentication error|Authorization Violation|Authentication Failure/i.test(log()),
  );
  const answer = (await (await fetch(`http://${one.monitor}/routez`)).json()) as { num_routes: number };
  expect(answer.num_routes).toBe(0);
});
