/**
 * One control plane per directory: a file with the holder's pid and start time. A holder that died, or whose pid was
 * given to another process, holds nothing.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BusError } from '../errors.ts';
import { processStart } from '../server/index.ts';
import { readFileIfThere, writeFileAtomic } from '../trust/index.ts';

/** E_CONTROL_RUNNING when another process holds it; returns what gives it up. */
export async function lockControl(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, 'control.pid');
  const [pid, start] = ((await readFileIfThere(path))?.toString('utf8') ?? '').split(' ');
  const isHeld = pid && Number(pid) !== process.pid && start !== '' && processStart(Number(pid)) === start;
  if (isHeld)
    throw new BusError('E_CONTROL_RUNNING', `a control plane (pid ${pid}) runs in ${dir}`, { details: { pid } });
  await writeFileAtomic(path, `${process.pid} ${processStart(process.pid) ?? ''}`);
  return () => rm(path, { force: true });
}
