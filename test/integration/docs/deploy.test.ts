/** docs/deploy.md, command by command as a reader would paste it: three sites without the lab, and a message between two of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findRunning } from '../../../src/server/index.ts';
import { freePort } from '../../support/nats-server.ts';

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

let root: string;
let shell: ChildProcess | undefined;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'mbus-deploy-'));
  await mkdir(join(root, 'bin'));
  await writeFile(join(root, 'bin/mbus'), `#!/bin/sh\nexec "${process.execPath}" "${at('cli/mbus.js')}" "$@"\n`, {
    mode: 0o755,
  });
});

afterAll(async () => {
  // daemons that a failed run left are of its process group
  if (shell?.pid !== undefined && (shell.exitCode ?? 1) !== 0) {
    try {
      process.kill(-shell.pid, 'SIGTERM');
    } catch {
      // nobody is left
    }
  }
  for (const site of ['tokyo', 'frankfurt', 'virginia', 'control']) {
    const dir = join(root, site, 'nats');
    await findRunning({ dir, configPath: join(dir, 'server.conf') })?.stop();
  }
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

/** The page's commands as one script, its ports exchanged for free ones. */
async function scriptOf(page: string): Promise<string> {
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands ?? '');
  const commands = blocks.join('\n');
  const ports = new Map<string, number>();
  for (const [, port = ''] of commands.matchAll(/127\.0\.0\.1:(\d+)/g))
    if (!ports.has(port)) ports.set(port, await freePort());
  const moved = commands.replace(/127\.0\.0\.1:(\d+)/g, (_, port: string) => `127.0.0.1:${ports.get(port)}`);
  return `set -euo pipefail\n${moved}`;
}

/** Runs it in a directory of its own; resolves with what it printed. */
async function paste(script: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { DATABASE_URL: _, MBUS_DIR: __, MBUS_PROFILE: ___, ...inherited } = process.env;
  const env = { ...inherited, PATH: `${join(root, 'bin')}:${process.env.PATH}`, XDG_CONFIG_HOME: join(root, 'config') };
  const child = spawn('bash', ['--norc', '-c', script], {
    cwd: root,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  shell = child;
  const result = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    result.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    result.stderr += text;
  });
  await once(child, 'exit');
  return { ...result, code: child.exitCode };
}

test('the guide as it stands brings a message from tokyo to virginia', { timeout: 500_000 }, async () => {
  const { code, stdout, stderr } = await paste(await scriptOf(await readFile(at('docs/deploy.md'), 'utf8')));
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/^\+ customer acme$/m);
  expect(stdout).toContain('stored as trade 1');
  const got = stdout.split('\n').find((line) => line.startsWith('{"subject"')) ?? '{}';
  expect(JSON.parse(got)).toMatchObject({ subject: 'trade.eu', data: '{"price":100}' });
  expect(stdout).toMatch(/acme\/frankfurt-virginia +virginia +(up|degraded)/);
  expect(stdout).toMatch(/\d of \d checks are well/);
  expect(stdout.match(/^nats-server of \w+ is stopped$/gm)).toHaveLength(3);
});
