/**
 * Servers that a killed daemon of the lab leaves behind: nats-server and PostgreSQL processes whose working directory is
 * inside the lab's directory. Nothing else is ever touched.
 */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processArguments } from '../server/index.ts';

const servers = ['nats-server', 'postgres'] as const;
export type ServerName = (typeof servers)[number];
const graceMs = 10_000;

/** Pids of servers at work inside `dir`, of one program or of all. */
export async function serversInside(dir: string, programs: readonly ServerName[] = servers): Promise<number[]> {
  const inside = `${await realpath(dir).catch(() => dir)}${sep}`;
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const checked = await Promise.all(
    pids.map(async (pid) => ((await isServerInside(pid, inside, programs)) ? pid : undefined)),
  );
  return checked.filter((pid) => pid !== undefined);
}

/** Ends them: asks first unless `isKill`, and waits until they are gone. */
export async function endServersInside(
  dir: string,
  isKill = false,
  programs: readonly ServerName[] = servers,
): Promise<void> {
  const startedMs = performance.now();
  let isAsked = false;
  for (let pids = await serversInside(dir, programs); pids.length > 0; pids = await serversInside(dir, programs)) {
    const isLate = performance.now() - startedMs > graceMs;
    if (isKill || isLate) for (const pid of pids) signal(pid, 'SIGKILL');
    else if (!isAsked) for (const pid of pids.filter(isMainProcess)) signal(pid, 'SIGINT');
    isAsked = true;
    await delay(20);
  }
}

async function isServerInside(pid: number, inside: string, programs: readonly ServerName[]): Promise<boolean> {
  const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
  if (!programs.some((program) => program === name)) return false;
  const workingDir = await readlink(`/proc/${pid}/cwd`).catch(() => '');
  return `${workingDir}${sep}`.startsWith(inside);
}

/** PostgreSQL's own children follow their parent and must not be signalled one by one. */
function isMainProcess(pid: number): boolean {
  return processArguments(pid).some((argument) => argument === '-D' || argument === '-c');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It went by itself between the look and the signal.
  }
}
