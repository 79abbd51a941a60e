import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { errorRegistry } from '../../../src/errors.ts';
import { mbusHere, mbusJsonHere } from '../../support/cli.ts';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-help-'));
});
beforeEach(() => void vi.stubEnv('XDG_CONFIG_HOME', dir));
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => rm(dir, { recursive: true }));

test('explains every code, however it is written, and suggests what was meant', async () => {
  const all = await mbusJsonHere<{ code: string }[]>(['explain']);
  expect(all.map(({ code }) => code)).toEqual(Object.keys(errorRegistry).sort());
  const { stdout } = await mbusHere(['explain', 'key-away']);
  expect(stdout).toContain('E_KEY_AWAY');
  expect(stdout).toContain(errorRegistry.E_KEY_AWAY.remedy);
  const { code, stderr } = await mbusHere(['explain', 'E_LINK']);
  expect(code).toBe(2);
  expect(stderr).toContain('did you mean E_LINK_DOWN');
});

test('prints the pages of the manual, and the help of a verb where there is one', async () => {
  expect((await mbusHere(['help', 'topics'])).stdout).toContain('what-happens-if  What happens if');
  expect((await mbusHere(['help', 'concepts'])).stdout).toMatch(/^# Concepts/);
  expect((await mbusHere(['help', 'status'])).stdout).toMatch(/^Usage: mbus status/);
  expect((await mbusHere(['help', '../README'])).code).toBe(2);
});

/** What bash offers for a line that ends with an unfinished word. */
async function offered(script: string, line: string): Promise<string[]> {
  const words = line.split(' ');
  const program = `source ${script}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _mbus; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', program]);
  return stdout.split('\n').filter(Boolean);
}

test('bash completes nouns, verbs, options and choices', async () => {
  const script = join(dir, 'mbus.bash');
  await writeFile(script, (await mbusHere(['completion', 'bash'])).stdout);
  expect(await offered(script, 'mbus sta')).toEqual(['status']);
  expect(await offered(script, 'mbus site jo')).toEqual(['join']);
  expect(await offered(script, 'mbus site create tokyo --mo')).toEqual(['--mode']);
  expect(await offered(script, 'mbus site create tokyo --mode ')).toEqual(['server', 'client']);
  expect(await offered(script, 'mbus status --wa')).toEqual(['--watch']);
});

test('zsh and fish know every verb', async () => {
  const [zsh, fish] = await Promise.all(
    ['zsh', 'fish'].map(async (shell) => (await mbusHere(['completion', shell])).stdout),
  );
  for (const verb of ['status', 'terminal', 'drain', 'explain']) {
    expect(zsh).toContain(verb);
    expect(fish).toContain(`-a ${verb} `);
  }
});

test('a profile names the control plane where neither --dir nor MBUS_DIR does', async () => {
  expect(await mbusJsonHere(['profile', 'ls'])).toEqual([]);
  await mbusJsonHere(['profile', 'add', 'prod', '--dir', join(dir, 'prod')]);
  await mbusJsonHere(['profile', 'add', 'try', '--dir', join(dir, 'try'), '--use']);
  const usedDir = async (): Promise<string> => (await mbusHere(['status'])).stderr;
  expect(await usedDir()).toContain(join(dir, 'try'));
  expect(await mbusJsonHere(['profile', 'use', 'prod'])).toEqual([
    { name: 'prod', dir: join(dir, 'prod'), inUse: true },
    { name: 'try', dir: join(dir, 'try'), inUse: false },
  ]);
  expect(await usedDir()).toContain(join(dir, 'prod'));
  vi.stubEnv('MBUS_PROFILE', 'try');
  expect(await usedDir()).toContain(join(dir, 'try'));
  vi.stubEnv('MBUS_DIR', join(dir, 'named'));
  expect(await usedDir()).toContain(join(dir, 'named'));
  vi.unstubAllEnvs();
  vi.stubEnv('XDG_CONFIG_HOME', dir);
  expect((await stat(join(dir, 'mbus/profiles.json'))).mode & 0o777).toBe(0o600);
  expect((await mbusHere(['profile', 'use', 'nobody'])).stderr).toContain('E_UNKNOWN_NOUN');
  expect((await mbusHere(['profile', 'add', 'try', '--dir', 'x'])).stderr).toContain('E_EXISTS');
  expect(await mbusJsonHere(['profile', 'rm', 'prod'])).toHaveLength(1);
  expect(JSON.parse(await readFile(join(dir, 'mbus/profiles.json'), 'utf8'))).toMatchObject({ current: null });
  await writeFile(join(dir, 'mbus/profiles.json'), '{');
  expect((await mbusHere(['status'])).stderr).toContain('E_FILE');
});
