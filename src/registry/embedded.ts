/**
 * The embedded PostgreSQL of a control directory: a real server on 127.0.0.1 and a free port, its password in a 0600
 * file. It runs detached, so a killed control plane leaves it running and the next one adopts it; a graceful stop stops
 * it. As root it runs under another account, with its data directory as working directory and named by
 * /proc/self/cwd, because that account cannot enter the 0700 directories on the way to it.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, open, readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { systemClock } from '../clock.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { loadOrCreateSecret, readFileIfThere } from '../trust/index.ts';
import { databaseError } from './database-error.ts';
import { findPrograms, type PostgresPrograms, type RunAs, unprivilegedUser } from './postgres-binaries.ts';

export interface EmbeddedPostgres {
  /** with the password: never log it */
  readonly url: string;
  readonly pid: number;
  /** true when it ran already */
  readonly isAdopted: boolean;
  /** ends sessions and stops the server; resolves when its process is gone */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** directory of its own, made at first use */
  dir: string;
  log: Logger;
  startMs?: number;
  /** further settings of the server, `name=value` */
  settings?: string[];
}

interface Place {
  dir: string;
  data: string;
  logFile: string;
  password: string;
  settings: string[];
  runAs: RunAs | undefined;
  programs: PostgresPrograms;
}

const user = 'mbus';
const database = 'mbus';

/** Starts it, or adopts the one that runs there. E_DATABASE_MISSING with the last lines of its log when it cannot. */
export async function startEmbedded({
  dir,
  log,
  startMs = 60_000,
  settings = [],
}: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const place = await preparePlace(dir, settings);
  const deadline = systemClock.monotonicMs() + startMs;
  const running = await adopt(place, deadline);
  if (running) {
    log.info({ event: 'postgres.adopted', pid: running.pid }, 'the embedded PostgreSQL was running already');
    return running;
  }
  await initialise(place);
  const started = await start(place, deadline);
  log.info({ event: 'postgres.started', pid: started.pid }, 'embedded PostgreSQL started');
  return started;
}

/** The URL of the one that runs there, which is left as it is; undefined when none does. */
export async function embeddedUrl(dir: string): Promise<string | undefined> {
  if (!(await readFileIfThere(join(dir, 'password')))) return undefined;
  return (await adopt(await preparePlace(dir, []), systemClock.monotonicMs() + 5_000))?.url;
}

async function preparePlace(dir: string, settings: string[]): Promise<Place> {
  const runAs = await unprivilegedUser();
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const at = await realpath(dir);
  const password = await loadOrCreateSecret(join(at, 'password'), () =>
    Buffer.from(randomBytes(24).toString('base64url')),
  );
  const data = join(at, 'data');
  await mkdir(data, { recursive: true, mode: 0o700 });
  await chmod(data, 0o700);
  if (runAs) for (const path of [at, data]) await chown(path, runAs.uid, runAs.gid);
  const programs = await findPrograms(runAs);
  return {
    dir: at,
    data,
    logFile: join(at, 'postgres.log'),
    password: password.toString('utf8'),
    settings,
    runAs,
    programs,
  };
}

// -- a server that runs already ------------------------------------------------------------------------------------

/** pid and port of the server that holds the data directory, from its own pid file. */
async function readPidFile({ data }: Place): Promise<{ pid: number; port: number } | undefined> {
  const lines = (await readFileIfThere(join(data, 'postmaster.pid')))?.toString('utf8').split('\n');
  if (!lines) return undefined;
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  return Number.isInteger(pid) && pid > 1 ? { pid, port } : undefined;
}

async function adopt(place: Place, deadline: number): Promise<EmbeddedPostgres | undefined> {
  for (;;) {
    const held = await readPidFile(place);
    if (!held) return undefined;
    if (!(await isOurs(place, held.pid))) {
      // left by a kill or a reboot; the pid may be another program's by now, which PostgreSQL would take for a server
      await rm(join(place.data, 'postmaster.pid'), { force: true });
      return undefined;
    }
    if (held.port > 0 && (await accepts(place, held.port))) return handle(place, held.pid, held.port, true);
    if (systemClock.monotonicMs() > deadline) {
      throw new BusError(
        'E_DATABASE_MISSING',
        `a PostgreSQL (pid ${held.pid}) holds ${place.data} and does not answer: stop it`,
      );
    }
    await systemClock.sleep(50);
  }
}

async function isOurs({ data }: Place, pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === data;
}

// -- start ---------------------------------------------------------------------------------------------------------

async function initialise(place: Place): Promise<void> {
  if (await readFileIfThere(join(place.data, 'PG_VERSION'))) {
    if (await readFileIfThere(join(place.dir, 'ready'))) return;
    // initdb was interrupted: nothing was ever stored here
    await rm(place.data, { recursive: true, force: true });
    await preparePlace(place.dir, place.settings);
  }
  const passwordFile = join(place.dir, 'initdb-password');
  await writeFile(passwordFile, `${place.password}\n`, { mode: 0o600 });
  if (place.runAs) await chown(passwordFile, place.runAs.uid, place.runAs.gid);
  try {
    const pwfile = place.runAs ? '/proc/self/cwd/../initdb-password' : passwordFile;
    await runInitdb(place, [
      '-U',
      user,
      '--auth=scram-sha-256',
      `--pwfile=${pwfile}`,
      '--encoding=UTF8',
      '--no-locale',
      '--no-instructions',
    ]);
    await writeFile(join(place.dir, 'ready'), '');
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function runInitdb(place: Place, flags: string[]): Promise<void> {
  const output = await open(place.logFile, 'a', 0o600);
  try {
    const child = spawn(place.programs.initdb, ['-D', dataName(place), ...flags], spawnOptions(place, output.fd));
    if ((await exitOf(child)) !== 0) throw await failure(place, 'initdb failed');
  } finally {
    await output.close();
  }
}

async function start(place: Place, deadline: number): Promise<EmbeddedPostgres> {
  for (;;) {
    const port = await freePort();
    const child = await launch(place, port);
    const exited = exitOf(child).then(() => 'exited' as const);
    const outcome = await Promise.race([exited, untilAccepts(place, port, deadline)]);
    if (outcome === 'accepts' && child.pid !== undefined) {
      child.unref();
      await createBusDatabase(place, port);
      return handle(place, child.pid, port, false);
    }
    // the port was taken meanwhile, or processes of a killed server still hold its memory: both pass
    if (systemClock.monotonicMs() > deadline || outcome === 'late') {
      child.kill('SIGQUIT');
      throw await failure(place, 'it did not start');
    }
    await systemClock.sleep(200);
  }
}

async function launch(place: Place, port: number): Promise<ChildProcess> {
  const output = await open(place.logFile, 'a', 0o600);
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=100',
    'timezone=UTC',
    ...place.settings,
  ];
  try {
    const flags = settings.flatMap((setting) => ['-c', setting]);
    return spawn(place.programs.postgres, ['-D', dataName(place), '-p', String(port), ...flags], {
      ...spawnOptions(place, output.fd),
      detached: true,
    });
  } finally {
    await output.close();
  }
}

function dataName(place: Place): string {
  return place.runAs ? '/proc/self/cwd' : place.data;
}

function spawnOptions(place: Place, output: number): SpawnOptions {
  return {
    cwd: place.data,
    env: { LC_ALL: 'C' },
    stdio: ['ignore', output, output],
    ...place.runAs,
  };
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('exit', (code) => resolve(code ?? -1));
  });
}

async function untilAccepts(place: Place, port: number, deadline: number): Promise<'accepts' | 'late'> {
  while (systemClock.monotonicMs() < deadline) {
    if (await accepts(place, port)) return 'accepts';
    await systemClock.sleep(30);
  }
  return 'late';
}

// -- the running server --------------------------------------------------------------------------------------------

function handle(place: Place, pid: number, port: number, isAdopted: boolean): EmbeddedPostgres {
  return { url: urlOf(place, port, database), pid, isAdopted, stop: () => stopServer(place, pid) };
}

function urlOf(place: Place, port: number, name: string): string {
  return `postgres://${user}:${place.password}@127.0.0.1:${port}/${name}`;
}

/** A login with this directory's password: a foreign program on the port does not pass. */
async function accepts(place: Place, port: number): Promise<boolean> {
  const client = new Client({ connectionString: urlOf(place, port, 'postgres'), connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function createBusDatabase(place: Place, port: number): Promise<void> {
  const client = new Client({ connectionString: urlOf(place, port, 'postgres') });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(database)}`);
  } catch (cause) {
    throw databaseError(cause, 'creating its database');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** SIGINT is PostgreSQL's fast shutdown: it rolls back what runs and writes a checkpoint. */
async function stopServer(place: Place, pid: number): Promise<void> {
  const isRunning = (): Promise<boolean> => isOurs(place, pid);
  if (!(await isRunning())) return;
  process.kill(pid, 'SIGINT');
  for (let waitedMs = 0; await isRunning(); waitedMs += 20) {
    if (waitedMs === 10_000) process.kill(pid, 'SIGQUIT');
    await systemClock.sleep(20);
  }
}

async function failure(place: Place, what: string): Promise<BusError> {
  const text = await readFile(place.logFile, 'utf8').catch(() => '');
  const lines = text.trim().split('\n').slice(-5).join('\n  ');
  return new BusError('E_DATABASE_MISSING', `embedded PostgreSQL in ${place.dir}: ${what}:\n  ${lines}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
