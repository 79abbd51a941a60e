/**
 * A lock between processes of one machine, held as a file with the holder's pid and start time: a holder that died, or
 * whose pid was given to another process, holds nothing.
 */
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BusError } from '../errors.ts';
import { isErrno } from '../trust/index.ts';
import { processStart } from './process-info.ts';

/** Runs `work` while holding the lock; E_TIMEOUT when another holds it for longer than `timeoutMs`. */
export async function withLock<T>(path: string, work: () => Promise<T>, timeoutMs = 300_000): Promise<T> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const deadline = performance.now() + timeoutMs;
  while (!(await takeLock(path))) {
    if (performance.now() > deadline)
      throw new BusError('E_TIMEOUT', `lock ${path}: held for ${timeoutMs} ms by another process`);
    await delay(100);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function takeLock(path: string): Promise<boolean> {
  const mine = `${path}.${process.pid}`;
  await writeFile(mine, `${process.pid} ${processStart(process.pid) ?? ''}`, { mode: 0o600 });
  try {
    // link is the step that only one wins, and the content is there from the first moment
    await link(mine, path);
    return true;
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    if (!(await isHeld(path))) await rm(path, { force: true });
    return false;
  } finally {
    await rm(mine, { force: true });
  }
}

async function isHeld(path: string): Promise<boolean> {
  const [pid, start] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
  if (!pid) return false;
  const now = processStart(Number(pid));
  return now !== undefined && now === start;
}
