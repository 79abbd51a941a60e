/**
 * Sites of a living bus as they come, change and go:
 *
 *   tokyo (sidecar, nats-server) ──control link: TCP, WebSocket, HTTP proxy──▶ control plane ─▶ PostgreSQL
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { joinSite, parseToken } from '../../../src/api/index.ts';
import { requireBus } from '../../../src/config/check.ts';
import type { BusDraft } from '../../../src/config/edit.ts';
import { readControlFile } from '../../../src/control/dir.ts';
import { silentLogger } from '../../../src/log.ts';
import { startSidecar } from '../../../src/sidecar.ts';
import {
  type CreateSiteOptions,
  createSiteDir,
  openSiteDir,
  prepareSiteDir,
  type SiteDir,
  startSiteServer,
} from '../../../src/site/index.ts';
import { createCa, createCsr, issueCertificate, readCertificate } from '../../../src/trust/index.ts';
import { mbusJson } from '../../support/cli.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { joinKeys, startTestControl, type TestControl } from '../../support/control.ts';
import { eventually, freePort, testScope } from '../../support/nats-server.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

const scope = testScope();
let postgres: TestPostgres;
let control: TestControl;
let dir: string;

// one bus for all: each test has sites of its own
beforeAll(async () => {
  postgres = await startPostgres();
  dir = await mkdtemp(join(tmpdir(), 'mbus-test-membership-'));
  control = await startTestControl(join(dir, 'control'), await postgres.createEmptyDatabase(), { hasWebsocket: true });
});

afterAll(async () => {
  await control.stop();
  await postgres.stop();
  await rm(dir, { recursive: true, force: true });
});

/** Makes a key and a certificate, for which a busy machine takes its time. */
async function tokenOf(site: string): Promise<string> {
  return (await control.admin.call('token.create', { site }, { timeoutMs: 30_000 })).token;
}

async function apply(draft: BusDraft): Promise<void> {
  await control.admin.call('bus.apply', { file: requireBus(draft, 'test') });
}

interface Running {
  site: SiteDir;
  stop(): Promise<void>;
}

type Place = Partial<Omit<CreateSiteOptions, 'path' | 'enrolment'>>;

/** Joins and runs a site; `path` of one that joined before keeps its keys. */
async function startSite(name: string, place: Place = {}, path = scope.dir(name)): Promise<Running> {
  const token = await tokenOf(name);
  const { key, controlUser, csrPem } = await prepareSiteDir(path, name);
  const way = { proxy: place.proxy, transport: place.controlTransport };
  const enrolment = await joinSite(token, { key, controlUser, csrPem }, way);
  await createSiteDir({ path, listen: '127.0.0.1:0', ...place, enrolment });
  return run(path);
}

/** Runs a site that joined. */
async function run(path: string): Promise<Running> {
  const site = await openSiteDir(path);
  const server = await startSiteServer({ dir: site, log: silentLogger });
  scope.onEnd(() => server.stop());
  const sidecar = await startSidecar({ dir: path, externalServer: true, log: silentLogger });
  scope.onEnd(() => sidecar.stop());
  const stop = async (): Promise<void> => {
    await sidecar.stop();
    await server.stop();
  };
  return { site, stop };
}

async function hasReported(name: string): Promise<boolean> {
  const { sites, version } = await control.admin.call('bus.status', {});
  return sites.some((site) => site.name === name && site.report?.applied === version);
}

/** Names of the certificate that a leaf listener shows. */
function namesAt(address: string): Promise<string> {
  const [host = '', port = ''] = address.split(/:(?=\d+$)/);
  return new Promise((resolve) => {
    const socket = tlsConnect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? '');
      socket.destroy();
    });
    socket.on('error', (error) => resolve(error.message));
  });
}

test('a site whose address changes gets a certificate for it, and its server shows it, without a restart', async () => {
  const port = await freePort();
  const site = (host: string): BusDraft => ({ sites: [{ name: 'tokyo', mode: 'server', address: `${host}:${port}` }] });
  await apply(site('127.0.0.1'));
  await startSite('tokyo', { leafListen: `127.0.0.1:${port}` });
  await eventually('tokyo has reported', () => hasReported('tokyo'));
  expect(await namesAt(`127.0.0.1:${port}`)).toBe('IP Address:127.0.0.1');
  await apply(site('localhost'));
  await eventually('the new name is in the certificate', async () =>
    (await namesAt(`127.0.0.1:${port}`)).includes('DNS:localhost'),
  );
});

test('joining and the control link go over WebSocket, through a proxy that asks for a login, or both', {
  timeout: 120_000,
}, async () => {
  await apply({ sites: ['ws', 'proxied', 'both'].map((name) => ({ name, mode: 'client' })) });
  const proxy = await startConnectProxy(scope, 'till:se:cret/@');
  const { advertise, advertiseClient, advertiseWebsocket = '' } = await readControlFile(control.dir);
  await startSite('ws', { controlTransport: 'ws' });
  await eventually('it reports over WebSocket', () => hasReported('ws'));
  expect(proxy.targets).toEqual([]);

  await run(await joinByHand('proxied', ['--proxy', proxy.url]));
  await eventually('it reports through the proxy', () => hasReported('proxied'));
  expect(new Set(proxy.targets)).toEqual(new Set([advertiseClient, advertise]));

  proxy.targets.length = 0;
  await run(await joinByHand('both', ['--proxy', proxy.url, '--control-transport', 'ws']));
  await eventually('it reports by both', () => hasReported('both'));
  // other sites' control links may come again
  expect(new Set(proxy.targets.filter((target) => target !== advertise))).toEqual(new Set([advertiseWebsocket]));
});

/** With the verb a person uses; the directory. */
async function joinByHand(name: string, way: string[]): Promise<string> {
  const path = scope.dir(name);
  const login = join(dir, 'login');
  await writeFile(login, 'till:se:cret/@\n', { mode: 0o600 });
  const token = await tokenOf(name);
  const args = ['site', 'join', '--dir', path, '--token-file', '-', '--proxy-login-file', login, ...way];
  await mbusJson(args, { input: token });
  expect((await stat(join(path, 'site.json'))).mode & 0o777).toBe(0o600);
  return path;
}

test('a token of a control plane without WebSocket says so; what it lets in carries no more than its bus', async () => {
  await apply({ sites: [{ name: 'kyoto', mode: 'client' }] });
  const token = await tokenOf('kyoto');
  const parsed = parseToken(token);
  const { websocket, ...tcpOnly } = parsed;
  if (websocket === undefined) throw new Error('the token names no WebSocket');
  const keys = await joinKeys('kyoto');
  await expect(joinSite(tcpOnly, keys, { transport: 'ws' })).rejects.toMatchObject({ code: 'E_TOKEN_BAD' });
  const stranger = await createCa({ name: 'another bus' });
  const { keyPem, csrPem } = await createCsr({ commonName: 'join x' });
  const certPem = issueCertificate({ ca: stranger, csrPem, commonName: 'join x', names: [], days: 1 });
  const foreign = { ...parsed, websocket: { ...websocket, certPem, keyPem } };
  await expect(joinSite(foreign, keys, { transport: 'ws' })).rejects.toMatchObject({ code: 'E_CONTROL_AWAY' });
  const impostor = { ...parsed, caPem: stranger.certPem };
  await expect(joinSite(impostor, keys, { transport: 'ws' })).rejects.toMatchObject({ code: 'E_CONTROL_AWAY' });
  const life = readCertificate(websocket.certPem);
  expect(life.names).toEqual([]);
  expect(life.notAfterMs - Date.now()).toBeLessThan(15 * 60_000);
  const enrolment = await joinSite(parsed, keys, { transport: 'ws' });
  expect(enrolment.site).toBe('kyoto');
});

test('a site that is removed loses its control link within five seconds and gets no other', async () => {
  await apply({ sites: ['kobe', 'osaka'].map((name) => ({ name, mode: 'client' })) });
  const { site: kobe } = await startSite('kobe');
  await startSite('osaka');
  await eventually('both have reported', async () => (await hasReported('kobe')) && (await hasReported('osaka')));
  const links = async (site: SiteDir): Promise<number> => {
    const page = await (await fetch(`http://${site.file.monitor}/leafz`)).json();
    return (page as { leafnodes: number }).leafnodes;
  };
  expect(await links(kobe)).toBe(1);
  await apply({ sites: [{ name: 'osaka', mode: 'client' }] });
  await eventually('the link is closed', async () => (await links(kobe)) === 0, 5_000);
  for (let look = 0; look < 20; look++) {
    expect(await links(kobe)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await eventually('the other goes on', () => hasReported('osaka'));
});

test('a site that was removed may join again with the keys it has', async () => {
  await apply({ sites: [{ name: 'sendai', mode: 'client' }] });
  const { site, stop } = await startSite('sendai');
  await eventually('it has reported', () => hasReported('sendai'));
  await apply({ sites: [] });
  await stop();
  await apply({ sites: [{ name: 'sendai', mode: 'client' }] });
  const { site: again } = await startSite('sendai', {}, site.path);
  expect(again.file.siteId).not.toBe(site.file.siteId);
  await eventually('it reports under its new id', () => hasReported('sendai'));
});
