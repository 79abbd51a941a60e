/**
 * The embedded PostgreSQL of a control directory, started, killed and started again:   control ─starts▶ postgres ─▶ data
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { migrate, openDatabase, startEmbedded } from '../../../src/registry/index.ts';
import { eventually, freePort, testScope } from '../../support/nats-server.ts';
import { runSql } from '../../support/postgres.ts';

const scope = testScope();
const log = silentLogger;

async function startIn(dir: string) {
  const server = await startEmbedded({ dir, log });
  scope.onEnd(() => server.stop());
  return server;
}

/** A process that ended and was not yet reaped is gone. */
async function isAlive(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text !== '' && !/\) [ZX] /.test(text);
}

test('it keeps what was committed when it is killed, and starts again', async () => {
  const dir = join(scope.dir(), 'postgres');
  const first = await startIn(dir);
  await runSql(first.url, 'create table kept as select 1 as n');
  process.kill(first.pid, 'SIGKILL');
  await eventually('the server is gone', async () => !(await isAlive(first.pid)));
  const second = await startIn(dir);
  expect(second.isAdopted).toBe(false);
  await runSql(second.url, 'select n from kept');
});

test('it outlives the control plane that started it, and the next one adopts it', async () => {
  const dir = join(scope.dir(), 'postgres');
  const source = `
    import { startEmbedded } from ${JSON.stringify(new URL('../../../src/registry/index.ts', import.meta.url).href)};
    import { silentLogger } from ${JSON.stringify(new URL('../../../src/log.ts', import.meta.url).href)};
    const server = await startEmbedded({ dir: process.argv[1], log: silentLogger });
    process.stdout.write(String(server.pid));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', source, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  scope.onEnd(() => parent.kill('SIGKILL'));
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  const adopted = await startIn(dir);
  expect(adopted.isAdopted).toBe(true);
  expect(adopted.pid).toBe(Number(pid.toString()));
  await adopted.stop();
  expect(await isAlive(adopted.pid)).toBe(false);
});

test('a pid file that names another program is not believed', async () => {
  const dir = join(scope.dir(), 'postgres');
  await (await startIn(dir)).stop();
  const lines = [process.pid, '/somewhere', 1, await freePort(), '', '127.0.0.1', '', 'ready'];
  await writeFile(join(dir, 'data', 'postmaster.pid'), `${lines.join('\n')}\n`);
  const server = await startIn(dir);
  expect(server.isAdopted).toBe(false);
  expect(server.pid).not.toBe(process.pid);
});

test('an initdb that was cut short is done again', async () => {
  const dir = join(scope.dir(), 'postgres');
  await (await startIn(dir)).stop();
  await rm(join(dir, 'ready'));
  await rm(join(dir, 'data', 'base'), { recursive: true });
  const server = await startIn(dir);
  await runSql(server.url, 'select 1');
});

test('its directory and password are closed to others, its server refuses a wrong password', async () => {
  const dir = join(scope.dir(), 'postgres');
  const server = await startIn(dir);
  expect((await stat(dir)).mode & 0o077).toBe(0);
  expect((await stat(join(dir, 'password'))).mode & 0o077).toBe(0);
  expect(await readdir(dir)).not.toContain('initdb-password');
  const cmdline = await readFile(`/proc/${server.pid}/cmdline`, 'utf8');
  const password = await readFile(join(dir, 'password'), 'utf8');
  expect(cmdline).not.toContain(password);
  await expect(runSql(server.url.replace(password, 'wrong'), 'select 1')).rejects.toMatchObject({ code: '28P01' });
});

test('a database that is down at start is waited for, then named', async () => {
  const port = await freePort();
  const url = `postgres://mbus:x@127.0.0.1:${port}/mbus`;
  const opening = openDatabase({ url, log, waitMs: 600 });
  await expect(opening).rejects.toMatchObject({
    code: 'E_DATABASE_AWAY',
    message: expect.stringContaining('ECONNREFUSED'),
  });
  await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining('mbus:x') });
});

test('a database that comes up while it is waited for is used', async () => {
  const server = await startIn(join(scope.dir(), 'postgres'));
  const port = await freePort();
  const refused = Promise.withResolvers<void>();
  const watching = { ...log, warn: () => refused.resolve(), child: () => log };
  const url = server.url.replace(/:\d+\//, `:${port}/`);
  const opening = openDatabase({ url, log: watching, waitMs: 20_000 });
  await refused.promise;
  const proxy = await forward(port, Number(new URL(server.url).port));
  scope.onEnd(() => proxy.close());
  const db = await opening;
  expect(await migrate(db)).toContain('0001-registry');
  await db.destroy();
});

async function forward(from: number, to: number): Promise<Server> {
  const proxy = createServer((socket) => {
    const target = connect(to, '127.0.0.1');
    socket.pipe(target).pipe(socket);
    for (const end of [socket, target]) end.on('error', () => undefined);
  });
  proxy.listen(from, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}
