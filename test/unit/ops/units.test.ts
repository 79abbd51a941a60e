import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mbusHere, mbusJsonHere } from '../../support/cli.ts';

let root: string;
let site: string;

const uuid = '00000000-0000-4000-8000-000000000001';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mbus-units-'));
  site = join(root, 'a site 100%');
  const control = { leafUrls: [], signKey: '', sealKey: '', caPem: '' };
  const file = { format: 1, busId: uuid, siteId: uuid, site: 'tokyo', listen: '0.0.0.0:4222', leafListen: null };
  await mkdir(join(site, 'apps/acme'), { recursive: true });
  await writeFile(
    join(site, 'site.json'),
    JSON.stringify({ ...file, monitor: '127.0.0.1:1', controlUserJwt: '', control }),
  );
  await writeFile(join(site, 'apps/acme/exchange.creds'), 'x');
});
afterAll(() => rm(root, { recursive: true }));

test('a unit runs the sidecar and leaves nats-server alone when it stops', async () => {
  const { unit } = await mbusJsonHere<{ unit: string }>([
    'site',
    'install',
    '--dir',
    site,
    '--unit-dir',
    root,
    '--monitor',
    '127.0.0.1:9090',
  ]);
  expect(unit).toBe(join(root, 'mbus-site-tokyo.service'));
  const text = await readFile(unit, 'utf8');
  expect(text).toContain(`sidecar run --dir "${site.replace('%', '%%')}" --monitor 127.0.0.1:9090\n`);
  expect(text).toMatch(/^KillMode=process$/m);
  const { unit: control } = await mbusJsonHere<{ unit: string }>([
    'control',
    'install',
    '--dir',
    root,
    '--unit-dir',
    root,
  ]);
  expect(await readFile(control, 'utf8')).toContain(`control run --dir ${root}\n`);
  const page = ['--console', '0.0.0.0:8443', '--console-cert', 'a cert.pem', '--console-key', 'key.pem'];
  const install = ['control', 'install', '--dir', root, '--unit-dir', root];
  const { unit: withPage } = await mbusJsonHere<{ unit: string }>([...install, ...page]);
  expect(await readFile(withPage, 'utf8')).toMatch(
    /control run --dir \S+ --console 0\.0\.0\.0:8443 --console-cert "\/.*\/a cert\.pem" --console-key \/.*\/key\.pem\n/,
  );
  const open = await mbusHere([...install, ...page.slice(0, 2)]);
  expect([open.code, open.stderr]).toEqual([1, expect.stringContaining('E_CONSOLE_TLS')]);
  // systemd's own word on them, where it is installed
  if (!existsSync('/usr/bin/systemd-analyze')) return;
  const { stderr } = await promisify(execFile)('systemd-analyze', ['verify', unit, control]).catch(
    (error: { stderr: string }) => error,
  );
  expect(stderr).not.toMatch(/Unknown|Failed to parse|Invalid/);
});

test('a context of the nats command line names URL and credential', async () => {
  const args = ['app', 'context', 'acme/exchange', '--site-dir', site, '--context-dir', join(root, 'context')];
  const { file } = await mbusJsonHere<{ file: string }>(args);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
    description: 'acme/exchange at tokyo',
    url: 'nats://127.0.0.1:4222',
    creds: join(site, 'apps/acme/exchange.creds'),
  });
  const refused = await mbusHere(['app', 'context', 'acme/nobody', '--site-dir', site, '--context-dir', root]);
  expect(refused.stderr).toContain('E_UNKNOWN_NOUN');
});
