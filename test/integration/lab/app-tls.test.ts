/**
 *   tokyo ───────────── frankfurt     acme: trade, tokyo ─▶ risk at frankfurt
 *   TLS with the bus's CA             TLS with the operator's own certificate
 *   (asked for while it runs)
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { jetstream } from '@nats-io/jetstream';
import { type ConnectionOptions, credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { connect as connectOlder, credsAuthenticator as olderCreds } from 'nats';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createAdminClient } from '../../../src/api/index.ts';
import type { ControlClient } from '../../../src/api/methods.ts';
import { labKill, labStart } from '../../../src/lab/index.ts';
import { createCa, createCsr, issueCertificate } from '../../../src/trust/index.ts';
import { useLabs } from '../../support/lab.ts';

const labs = useLabs();
// JavaScript clients that dial an address look for localhost in the certificate
const names = ['127.0.0.1', 'localhost'];
const soon = <T>(check: () => Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 60_000, interval: 100 });

/** The operator's own CA, and files it keeps at the site. */
async function operator() {
  const dir = await mkdtemp(join(tmpdir(), 'mbus-operator-'));
  const ca = await createCa({ name: 'the operator' });
  const files = { cert: join(dir, 'tls.crt'), key: join(dir, 'tls.key'), ca: join(dir, 'ca.crt') };
  const issue = async (days: number): Promise<void> => {
    const { keyPem, csrPem } = await createCsr({ commonName: 'nats.frankfurt' });
    await writeFile(files.key, keyPem, { mode: 0o600 });
    await writeFile(files.cert, issueCertificate({ ca, csrPem, commonName: 'nats.frankfurt', names, days }));
  };
  await writeFile(files.ca, ca.certPem);
  await issue(90);
  return { files, issue };
}

const bus = (files: object): string => `
sites:
  - {name: tokyo, mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: client, tls: ${JSON.stringify(files)}}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links: [{between: [tokyo, frankfurt]}]
    topics: [{name: trade, groups: [{name: risk, terminals: [frankfurt]}]}]
    apps:
      - {name: exchange, terminal: tokyo, publish: [trade]}
      - {name: engine, terminal: frankfurt, consume: [trade@risk]}
`;

async function admin(dir: string): Promise<ControlClient> {
  const client = await createAdminClient(join(dir, 'control'));
  onTestFinished(() => client.close());
  return client;
}

/** What a server shows to whoever speaks TLS after its INFO. */
function shownAt(url: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const plain = dial({ host, port: Number(port) });
    plain.once('error', reject);
    plain.once('data', () => {
      plain.removeAllListeners();
      const socket = connectTls({ socket: plain, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.validTo ?? '');
        socket.destroy();
      });
      socket.once('error', reject);
    });
  });
}

test('applications connect over TLS and no other way, with the bus’s certificate or the operator’s', async () => {
  const { files, issue } = await operator();
  const lab = await labs.start(bus(files));
  const { engine, exchange } = { engine: lab.info.apps['acme/engine'], exchange: lab.info.apps['acme/exchange'] };
  if (engine === undefined || exchange === undefined) throw new Error('the lab lacks an application');
  expect(engine).toMatchObject({ nats: expect.stringMatching(/^tls:/), ca: files.ca });
  const enter = async (at: typeof engine, options: Partial<ConnectionOptions>): Promise<NatsConnection> => {
    const authenticator = credsAuthenticator(await readFile(at.creds));
    const nc = await connect({ servers: at.nats, authenticator, maxReconnectAttempts: -1, ...options });
    onTestFinished(() => nc.close());
    return nc;
  };

  // one of them gets TLS while an application is connected
  const publisher = await enter(exchange, {});
  const control = await admin(lab.dir);
  const { file } = await control.call('bus.export', {});
  const sites = file.sites.map((site) => (site.name === 'tokyo' ? { ...site, tls: { names } } : site));
  await control.call('bus.apply', { file: { ...file, sites } });
  const tokyoCa = join(lab.dir, 'sites/tokyo/tls/ca.pem');
  await soon(() => expect(enter(exchange, { tls: null, reconnect: false })).rejects.toThrow());
  expect(publisher.isClosed()).toBe(false);

  // without the CA, and without TLS
  await expect(enter(engine, { reconnect: false })).rejects.toThrow(/certificate/);
  await expect(enter(engine, { tls: null, reconnect: false })).rejects.toThrow();
  await expect(enter(exchange, { reconnect: false })).rejects.toThrow(/certificate/);
  const older = await connectOlder({
    servers: engine.nats,
    authenticator: olderCreds(await readFile(engine.creds)),
    tls: { caFile: files.ca },
  });
  await older.close();

  // the sidecar finds its server again, over TLS now
  await labKill(lab.dir, 'tokyo', 'server');
  await labStart(lab.dir, 'tokyo', 'server');
  const sender = jetstream(await enter(exchange, { tls: { caFile: tokyoCa }, waitOnFirstConnect: true }));
  const consumer = await jetstream(await enter(engine, { tls: { caFile: files.ca } })).consumers.get(
    'trade@risk',
    'risk',
  );
  await soon(() => sender.publish('trade', 'sealed'));
  const message = await consumer.next({ expires: 60_000 });
  expect(message?.string()).toBe('sealed');

  // renewed without a restart; what is no good is refused by name and changes nothing
  const before = await shownAt(engine.nats);
  await issue(5);
  await soon(async () => expect(await shownAt(engine.nats)).not.toBe(before));
  const problems = async (): Promise<string> => {
    const status = await control.call('bus.status', {});
    const found = status.sites.find(({ name }) => name === 'frankfurt')?.report?.problems ?? [];
    return found.flatMap(({ code, text }) => (code === 'E_APP_CERTIFICATE' ? [text] : [])).join('; ');
  };
  await soon(async () => expect(await problems()).toMatch(/ends on/));
  const renewed = await shownAt(engine.nats);
  await writeFile(files.key, 'no key');
  await soon(async () => expect(await problems()).toMatch(/tls\.key holds no private key/));
  expect(await shownAt(engine.nats)).toBe(renewed);
}, 240_000);
