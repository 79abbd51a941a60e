/** A plain nats-server in operator mode with two accounts, for the demo's clients: streams are made by hand, no bus. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import type { AppAccess } from '../../demo/clients.ts';
import { silentLogger } from '../../src/log.ts';
import { ensureServer } from '../../src/server/index.ts';
import {
  createKey,
  encodeAccountJwt,
  encodeOperatorJwt,
  encodeUserJwt,
  formatCreds,
  type KeyPair,
} from '../../src/trust/index.ts';
import { freeAddress, natsBinary, type TestScope } from './nats-server.ts';

const accountLimits = { maxConnections: -1, maxLeafs: 0, maxSubscriptions: -1, scopes: [] };

/** A running server, and a credential for everything in each of two accounts; only the first has JetStream. */
export async function startPlainServer(scope: TestScope): Promise<AppAccess & { stranger: AppAccess }> {
  const dir = scope.dir('mbus-demo');
  const operator = createKey('operator');
  const [system, account, other] = [createKey('account'), createKey('account'), createKey('account')];
  const jwtOf = (key: KeyPair, name: string, hasJetStream: boolean): Promise<string> =>
    encodeAccountJwt({ ...accountLimits, name, hasJetStream }, key.getPublicKey(), operator);
  const listen = await freeAddress();
  const configPath = join(dir, 'server.conf');
  const config = [
    `listen: "${listen}"`,
    `http: "${await freeAddress()}"`,
    `log_file: "${join(dir, 'server.log')}"`,
    `operator: ${await encodeOperatorJwt('test', operator, system.getPublicKey())}`,
    `system_account: ${system.getPublicKey()}`,
    'resolver: MEMORY',
    'resolver_preload: {',
    `  ${system.getPublicKey()}: ${await jwtOf(system, 'SYS', false)}`,
    `  ${account.getPublicKey()}: ${await jwtOf(account, 'APPS', true)}`,
    `  ${other.getPublicKey()}: ${await jwtOf(other, 'OTHER', false)}`,
    '}',
    `jetstream: {store_dir: "${join(dir, 'js')}"}`,
  ];
  await writeFile(configPath, config.join('\n'));
  const server = await ensureServer({ binary: await natsBinary(), configPath, dir, log: silentLogger });
  scope.onEnd(() => server.stop());
  const accessTo = async (owner: KeyPair, name: string): Promise<AppAccess> => {
    const user = createKey('user');
    const jwt = await encodeUserJwt({ name, connections: ['STANDARD'] }, user.getPublicKey(), owner);
    const creds = join(dir, `${name}.creds`);
    await writeFile(creds, formatCreds(jwt, user), { mode: 0o600 });
    return { nats: `nats://${listen}`, creds };
  };
  return { ...(await accessTo(account, 'app')), stranger: await accessTo(other, 'stranger') };
}

/** A stream for the topic and one for the group, fed from it, as an application of the bus finds them. */
export async function addTopic(nc: NatsConnection, topic: string, group: string): Promise<void> {
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: topic, subjects: [topic, `${topic}.>`] });
  await jsm.streams.add({ name: `${topic}@${group}`, sources: [{ name: topic }] });
  await jsm.consumers.add(`${topic}@${group}`, {
    durable_name: group,
    ack_policy: 'explicit',
    max_ack_pending: 10_000,
  });
}

export async function connectPlain(scope: TestScope, access: AppAccess): Promise<NatsConnection> {
  const nc = await connect({ servers: access.nats, authenticator: credsAuthenticator(await readFile(access.creds)) });
  scope.onEnd(() => nc.close());
  return nc;
}
