/**
 * Stops a lab: asks every process it started, kills what does not go, ends the servers left inside its directory, and
 * removes the directory. Works as well on a lab whose processes are gone.
 */
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BusError } from '../errors.ts';
import { endServersInside, serversInside } from './leftovers.ts';
import { forgetProcess, type ProcessRecord, readRecords, stopProcess } from './processes.ts';
import { hasLab } from './state.ts';

/** Returns how many processes it stopped. E_LAB_GONE when `dir` holds no lab. */
export async function labDown(dir: string, options: { keep?: boolean } = {}): Promise<{ stopped: number }> {
  const path = resolve(dir);
  if (!(await hasLab(path))) throw new BusError('E_LAB_GONE', `${path}: no lab was started here`);
  const records = await readRecords(path);
  const daemon = records.filter(({ name }) => name === 'daemon');
  const others = records.filter(({ name }) => name !== 'daemon');
  // The links go last: a sidecar that stops says goodbye over them.
  const stopped = [...(await stopAll(path, others)), ...(await stopAll(path, daemon))].filter(Boolean).length;
  const servers = (await serversInside(path)).length;
  await endServersInside(path);
  if (!options.keep) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  return { stopped: stopped + servers };
}

function stopAll(dir: string, records: ProcessRecord[]): Promise<boolean[]> {
  return Promise.all(
    records.map(async (record) => {
      const wasAlive = await stopProcess(record, 'SIGTERM');
      await forgetProcess(dir, record.name);
      return wasAlive;
    }),
  );
}
