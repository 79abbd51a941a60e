/**
 * A lock between processes of one machine, held as a file with the holder's pid and start time: a holder that died, or
 * whose pid was given to another process, holds nothing.
 */
import { randomBytes } from 'node:crypto';
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BusError } from '../errors.ts';
import { isErrno, makeDirs, readFileIfThere } from '../trust/index.ts';
import { processStart } from './process-info.ts';

/** Runs `work` while holding the lock; E_TIMEOUT when another holds it for longer than `timeoutMs`. */
export async function withLock<T>(path: string, work: () => Promise<T>, timeoutMs = 300_000): Promise<T> {
  await makeDirs(dirname(path));
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
  const mine = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(mine, `${process.pid} ${processStart(process.pid) ?? ''}`, { mode: 0o600 });
  try {
    // link is the step that only one wins, and the content is there from the first moment
    await link(mine, path);
    return true;
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    await removeStale(path, mine);
    return false;
  } finally {
    await rm(mine, { force: true });
  }
}

/** Removes the lock of a dead holder; moved aside first, so that a lock taken meanwhile is seen and put back. */
async function removeStale(path: string, scratch: string): Promise<void> {
  const holder = await readHolder(path);
  if (holder === undefined || isAlive(holder)) return;
  const aside = `${scratch}.stale`;
  try {
    await rename(path, aside);
    if ((await readHolder(aside)) !== holder) await link(aside, path).catch(() => undefined);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function readHolder(path: string): Promise<string | undefined> {
  return (await readFileIfThere(path))?.toString('utf8');
}

function isAlive(holder: string): boolean {
  const [pid, start] = holder.split(' ');
  return processStart(Number(pid)) === start && start !== undefined;
}
