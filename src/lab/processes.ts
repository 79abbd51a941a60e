/**
 * The lab's processes: started detached, remembered in DIR/processes/<name>.json, and signalled only when /proc says that the
 * pid is still the very process that was started (start time and command line), so a reused pid is never hit.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { BusError } from '../errors.ts';
import { defaultToolsDir, processArguments, processStart } from '../server/index.ts';

const recordSchema = z.strictObject({
  name: z.string(),
  pid: z.number().int().positive(),
  /** when it began, as the machine says it: another process with the same pid says something else */
  start: z.string(),
  /** text that the process's command line contains */
  marker: z.string(),
  log: z.string(),
});

export type ProcessRecord = z.output<typeof recordSchema>;

const pollMs = 20;
const logTailBytes = 16 * 1024;

/** The lab is on its own: no daemon of it may follow the variables of the shell it was started from. */
const foreignVariables = ['DATABASE_URL', 'MBUS_DIR', 'MBUS_MASTER_KEY_FILE', 'MBUS_TOKEN'];

export interface StartOptions {
  dir: string;
  /** unique in the lab: `control`, `tokyo.sidecar` */
  name: string;
  args: string[];
  /** text of the command line that names this process's directory */
  marker: string;
  signal?: AbortSignal;
}

/** Starts `mbus ARGS` detached, output to DIR/logs/<name>.log, and writes its record. */
export async function startProcess(options: StartOptions): Promise<ProcessRecord> {
  options.signal?.throwIfAborted();
  const log = logPath(options.dir, options.name);
  await mkdir(join(options.dir, 'logs'), { recursive: true, mode: 0o700 });
  const file = await open(log, 'a', 0o600);
  try {
    const child = spawn(process.execPath, [program(), ...options.args], {
      detached: true,
      stdio: ['ignore', file.fd, file.fd],
      env: environment(),
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    child.unref();
    return await recordProcess(options.dir, { name: options.name, pid, marker: options.marker, log });
  } finally {
    await file.close();
  }
}

/** Compiled code is kept between starts: half a second of processor time less for each daemon. */
function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { NODE_COMPILE_CACHE: join(defaultToolsDir(), 'compiled'), ...process.env };
  for (const name of foreignVariables) delete env[name];
  return env;
}

/** cli/mbus.js, above the source or above dist/. */
function program(): string {
  const places = ['../../cli/mbus.js', '../../../cli/mbus.js'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = places.find((path) => existsSync(path));
  if (found) return found;
  throw new BusError('E_INTERNAL', `cli/mbus.js is at none of ${places.join(', ')}`);
}

async function recordProcess(dir: string, process: Omit<ProcessRecord, 'start'>): Promise<ProcessRecord> {
  const record = { ...process, start: processStart(process.pid) ?? '' };
  await mkdir(join(dir, 'processes'), { recursive: true, mode: 0o700 });
  const path = recordPath(dir, record.name);
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
  return record;
}

export async function readRecord(dir: string, name: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(recordPath(dir, name), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = recordSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : undefined;
}

export async function readRecords(dir: string): Promise<ProcessRecord[]> {
  const files = await readdir(join(dir, 'processes')).catch(() => []);
  const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length));
  const records = await Promise.all(names.map((name) => readRecord(dir, name)));
  return records.filter((record) => record !== undefined);
}

export async function forgetProcess(dir: string, name: string): Promise<void> {
  await rm(recordPath(dir, name), { force: true });
}

/** True while the pid is the process of the record and not a zombie. One that starts over as itself has no arguments for a moment. */
export function isAlive(record: ProcessRecord): boolean {
  if (processStart(record.pid) !== record.start) return false;
  const words = processArguments(record.pid);
  return words.length === 0 || words.some((argument) => argument.includes(record.marker));
}

/** Signals the process and waits until it is gone; after `graceMs` it is killed. Returns false when it was gone before. */
export async function stopProcess(record: ProcessRecord, signal: NodeJS.Signals, graceMs = 15_000): Promise<boolean> {
  if (!isAlive(record)) return false;
  sendSignal(record.pid, signal);
  const deadline = performance.now() + graceMs;
  while (isAlive(record)) {
    if (performance.now() > deadline) sendSignal(record.pid, 'SIGKILL');
    await delay(pollMs);
  }
  // a process is a zombie before the last of its threads lets go of its sockets
  while (performance.now() < deadline && hasThreadsLeft(record.pid)) await delay(pollMs);
  return true;
}

function hasThreadsLeft(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).length > 1;
  } catch {
    return false;
  }
}

/** The last lines of a part's log. */
export async function logTail(path: string, lines = 20): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.slice(-logTailBytes).trimEnd().split('\n').slice(-lines).join('\n');
}

export function logPath(dir: string, name: string): string {
  return join(dir, 'logs', `${name}.log`);
}

/** Nothing when the process is gone. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It went by itself between the look and the signal.
  }
}

function recordPath(dir: string, name: string): string {
  return join(dir, 'processes', `${name}.json`);
}
