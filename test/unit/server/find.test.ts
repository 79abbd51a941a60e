import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findServer, withLock } from '../../../src/server/index.ts';
import { isNewEnough } from '../../../src/server/version.ts';
import { testScope } from '../../support/nats-server.ts';

const scope = testScope();

/** A program that says it is nats-server of some version. */
function fakeServer(dir: string, version: string): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'nats-server');
  writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  chmodSync(path, 0o755);
  return path;
}

test('NATS_SERVER comes first, and too old is an error of its own', async () => {
  const dir = scope.dir();
  const named = fakeServer(join(dir, 'a'), '2.16.0');
  const env = { NATS_SERVER: named, PATH: join(dir, 'b') };
  fakeServer(join(dir, 'b'), '2.15.1');
  expect(await findServer({ env, toolsDir: dir })).toEqual({ path: named, version: '2.16.0', source: 'NATS_SERVER' });
  const old = fakeServer(join(dir, 'c'), '2.11.4');
  await expect(findServer({ env: { NATS_SERVER: old } })).rejects.toMatchObject({
    code: 'E_NATS_SERVER_OLD',
    message: expect.stringMatching(/2\.11\.4.*2\.15\.1/),
  });
  await expect(findServer({ env: { NATS_SERVER: join(dir, 'none') } })).rejects.toMatchObject({
    code: 'E_NATS_SERVER_MISSING',
  });
});

test('an old one on the PATH is passed over for a newer one behind it, then for the kept copy', async () => {
  const dir = scope.dir();
  fakeServer(join(dir, 'a'), '2.10.0');
  const kept = fakeServer(join(dir, 'tools'), '2.15.2');
  const toolsDir = join(dir, 'tools');
  expect(await findServer({ env: { PATH: join(dir, 'a') }, toolsDir })).toMatchObject({
    path: kept,
    source: 'kept copy',
  });
  const newer = fakeServer(join(dir, 'b'), '2.15.1');
  const env = { PATH: `${join(dir, 'a')}:${join(dir, 'b')}` };
  expect(await findServer({ env, toolsDir })).toMatchObject({ path: newer, source: 'PATH' });
});

test('when there is none the error lists all that was tried', async () => {
  const dir = scope.dir();
  fakeServer(join(dir, 'a'), '2.10.0');
  const error = await findServer({
    env: { PATH: join(dir, 'a') },
    toolsDir: join(dir, 'tools'),
    mayDownload: false,
  }).catch((e: unknown) => e);
  expect(error).toMatchObject({
    code: 'E_NATS_SERVER_MISSING',
    message: expect.stringMatching(/NATS_SERVER: not set.*2\.10\.0, older.*kept copy/s),
  });
});

test('versions compare by number', () => {
  expect(['2.15.1', '2.15.10', '2.16.0', '3.0.0'].map(isNewEnough)).toEqual([true, true, true, true]);
  expect(['2.15.0', '2.9.99', '1.99.99'].map(isNewEnough)).toEqual([false, false, false]);
});

test('one at a time holds a lock, and a dead holder holds nothing', async () => {
  const path = join(scope.dir(), 'x/.lock');
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inside--;
  };
  await Promise.all([1, 2, 3].map(() => withLock(path, work)));
  expect(most).toBe(1);
  writeFileSync(path, '1 not-the-start-of-process-1');
  await withLock(path, work, 2_000);
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(join(path, '..'))).toEqual([]);
});
