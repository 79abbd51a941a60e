/**
 * One nats-server in operator mode, run by ensureServer:
 *
 *   test ─▶ ensureServer ─▶ nats-server (own process, pid file)
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { jwtAuthenticator } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { ensureServer, reloadServer, renderSiteConfig } from '../../../src/server/index.ts';
import {
  createKey,
  encodeAccountJwt,
  encodeOperatorJwt,
  encodeUserJwt,
  writeFileAtomic,
} from '../../../src/trust/index.ts';
import { eventually, freeAddress, natsBinary, testScope } from '../../support/nats-server.ts';

const scope = testScope();

async function bareSite(dir: string) {
  const [operator, system, user] = [createKey('operator'), createKey('account'), createKey('user')];
  const account = system.getPublicKey();
  const limits = { hasJetStream: false, maxConnections: -1, maxLeafs: -1, maxSubscriptions: -1, scopes: [] };
  const options = {
    serverName: 'one',
    listen: await freeAddress(),
    monitor: await freeAddress(),
    leafListen: undefined,
    logFile: join(dir, 'nats-server.log'),
    operatorJwt: await encodeOperatorJwt('one', operator, account),
    systemAccount: account,
    resolverDir: join(dir, 'jwt'),
    preload: { [account]: await encodeAccountJwt({ name: 'SYS', ...limits }, account, operator) },
    tls: { certFile: 'none', keyFile: 'none', caFile: 'none' },
    maxPayload: 1024 * 1024,
    durability: 'process' as const,
    storeDir: join(dir, 'js'),
    remotes: [],
  };
  const configPath = join(dir, 'server.conf');
  await writeFileAtomic(configPath, renderSiteConfig(options));
  const userJwt = await encodeUserJwt({ name: 'test', connections: ['STANDARD'] }, user.getPublicKey(), system);
  const servers = options.listen;
  return {
    options,
    configPath,
    connectSystem: () => connect({ servers, authenticator: jwtAuthenticator(userJwt, user.getSeed()) }),
  };
}

async function ensure(dir: string, configPath: string) {
  const server = await ensureServer({ binary: await natsBinary(), configPath, dir, log: silentLogger });
  scope.onEnd(() => server.stop());
  return server;
}

test('a server that runs is adopted by the next caller, a killed one is started again', async () => {
  const dir = scope.dir();
  const { configPath } = await bareSite(dir);
  const first = await ensure(dir, configPath);
  const second = await ensure(dir, configPath);
  expect(first.wasAdopted).toBe(false);
  expect(second).toMatchObject({ wasAdopted: true, pid: first.pid });

  let exits = 0;
  second.onExit(() => exits++);
  first.kill('SIGKILL');
  await eventually('the exit is seen', () => exits === 1);
  const third = await ensure(dir, configPath);
  expect(third).toMatchObject({ wasAdopted: false });
  expect(third.pid).not.toBe(first.pid);
  await third.stop();
  expect(third.isRunning()).toBe(false);
});

test('a pid file that names another living process is not believed', async () => {
  const dir = scope.dir();
  const { configPath } = await bareSite(dir);
  await writeFileAtomic(join(dir, 'nats-server.pid'), String(process.pid));
  const server = await ensure(dir, configPath);
  expect(server.wasAdopted).toBe(false);
  expect(Number(readFileSync(join(dir, 'nats-server.pid'), 'utf8'))).toBe(server.pid);
});

test('a taken port is named', async () => {
  const dir = scope.dir();
  const { configPath, options } = await bareSite(dir);
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(Number(options.listen.split(':')[1]), '127.0.0.1', resolve));
  scope.onEnd(() => new Promise((resolve) => squatter.close(resolve)));
  const error = await ensure(dir, configPath).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'E_PORT_TAKEN', details: { address: options.listen } });
});

test('a configuration the server cannot read fails with its own words', async () => {
  const dir = scope.dir();
  const { configPath, options } = await bareSite(dir);
  await writeFileAtomic(configPath, renderSiteConfig({ ...options, operatorJwt: 'no token' }));
  await expect(ensure(dir, configPath)).rejects.toMatchObject({
    code: 'E_NATS_SERVER_FAILED',
    message: expect.stringMatching(/operator|JWT|jwt|no such file/),
  });
});

test('a reload takes a changed setting without a restart, and a bad one is refused with the reason', async () => {
  const dir = scope.dir();
  const { configPath, options, connectSystem } = await bareSite(dir);
  const server = await ensure(dir, configPath);
  const nc = await connectSystem();
  scope.onEnd(() => nc.close());
  expect(nc.info?.max_payload).toBe(1024 * 1024 + 64 * 1024);
  await writeFileAtomic(configPath, renderSiteConfig({ ...options, maxPayload: 2 * 1024 * 1024 }));
  await reloadServer(nc);
  const later = await connectSystem();
  scope.onEnd(() => later.close());
  expect(later.info?.max_payload).toBe(2 * 1024 * 1024 + 64 * 1024);
  expect(server.isRunning()).toBe(true);
  await writeFileAtomic(configPath, renderSiteConfig({ ...options, listen: await freeAddress() }));
  await expect(reloadServer(nc)).rejects.toMatchObject({ code: 'E_SERVER_REFUSED' });
});
