/**
 * nats-server from the Debian archive, without root and without touching the machine's own package state: a private
 * sources.list, lists and cache; signatures are checked with the distribution's keyring; the package is unpacked, not installed.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BusError } from '../errors.ts';
import type { FetchTarget } from './fetch-release.ts';

const suite = 'forky';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const run = promisify(execFile);

export async function fetchFromDebian({ toolsDir, target }: FetchTarget): Promise<void> {
  const mirror = await findMirror();
  await mkdir(toolsDir, { recursive: true });
  const work = await mkdtemp(join(toolsDir, 'fetch-'));
  try {
    const options = await privateApt(work, mirror);
    await apt(work, [...options, 'update']);
    await apt(work, [...options, 'download', 'nats-server']);
    const file = (await readdir(work)).find((name) => name.startsWith('nats-server_') && name.endsWith('.deb'));
    if (!file) throw new BusError('E_NATS_SERVER_MISSING', 'apt-get download nats-server left no package');
    await run('dpkg', ['-x', join(work, file), join(work, 'x')]);
    await chmod(join(work, 'x/usr/sbin/nats-server'), 0o755);
    await rename(join(work, 'x/usr/sbin/nats-server'), target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The mirror this machine uses for Debian; the project's own when it uses none. */
async function findMirror(): Promise<string> {
  try {
    const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'], { timeout: 20_000 });
    const mirrors = [...new Set(stdout.split('\n').map((line) => line.trim()))];
    return mirrors.find((uri) => /^https?:\/\/\S+\/debian\/?$/.test(uri)) ?? 'http://deb.debian.org/debian';
  } catch (cause) {
    throw new BusError('E_NATS_SERVER_MISSING', 'apt-get is not there or does not work', { cause });
  }
}

async function privateApt(work: string, mirror: string): Promise<string[]> {
  const list = join(work, 'sources.list');
  await writeFile(list, `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);
  await mkdir(join(work, 'state/lists/partial'), { recursive: true });
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
  const settings = {
    'Dir::Etc::sourcelist': list,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State': join(work, 'state'),
    'Dir::Cache': join(work, 'cache'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'APT::Sandbox::User': userInfo().username,
  };
  return ['-q', ...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])];
}

async function apt(cwd: string, args: string[]): Promise<void> {
  try {
    await run('apt-get', args, { cwd, timeout: 300_000, maxBuffer: 16 * 1024 * 1024 });
  } catch (cause) {
    const said =
      cause instanceof Error && 'stderr' in cause
        ? String(cause.stderr).trim().split('\n').slice(-3).join(' ')
        : String(cause);
    throw new BusError('E_NATS_SERVER_MISSING', `apt-get ${args.at(-1)}: ${said}`, { cause });
  }
}
