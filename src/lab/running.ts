/** A lab that runs: its context, its status, and its parts started again. */
import { createAdminClient } from '../api/index.ts';
import type { ResponseOf } from '../api/methods.ts';
import { BusError } from '../errors.ts';
import { labKill, type Part, splitPart } from './faults.ts';
import { Links } from './links.ts';
import {
  defaultReadyMs,
  type LabContext,
  monitorOf,
  requireServer,
  sidecarName,
  startControlPart,
  startServerPart,
  startSidecarPart,
  untilSidecarReady,
} from './parts.ts';
import { isAlive, readRecord } from './processes.ts';
import { controlDir, readLab } from './state.ts';
import { linkedAbort } from './together.ts';

export interface RunningOptions {
  progress?: (line: string) => void;
  signal?: AbortSignal;
  readyMs?: number;
}

/** E_LAB_GONE when there is none in `dir` or its links are down, as after a reboot. */
export async function runningLab(dir: string, options: RunningOptions = {}): Promise<LabContext> {
  const state = await readLab(dir);
  await (await Links.open(dir)).stats();
  return {
    dir,
    state,
    progress: options.progress ?? (() => undefined),
    abort: linkedAbort(options.signal),
    readyMs: options.readyMs ?? defaultReadyMs,
  };
}

/** Starts a killed part again and returns when it is ready; a part that runs stays as it is. */
export async function labStart(
  dir: string,
  site: string,
  part?: Part,
  progress: (line: string) => void = () => undefined,
): Promise<void> {
  const context = await runningLab(dir, { progress });
  if (site === 'control') {
    // its daemon starts PostgreSQL and brings it back only when it starts itself
    if (part === 'postgres') await labKill(dir, 'control', 'daemon');
    if (!(await isRunning(dir, 'control'))) await startControlPart(context);
    return;
  }
  const { kind, number } = splitPart(part);
  if (kind === 'server') {
    requireServer(context.state, site, number);
    return startServerPart(context, site, number);
  }
  monitorOf(context.state, site, number);
  if (kind !== 'sidecar') throw new BusError('E_LAB_NOUN', `say which part of ${site}: server or sidecar`);
  if (!(await isRunning(dir, sidecarName(site, number)))) await startSidecarPart(context, site, number);
  await untilSidecarReady(context, site, number);
}

/** The bus as its control plane sees it. */
export async function labStatus(dir: string): Promise<ResponseOf<'bus.status'>> {
  await runningLab(dir);
  const control = await createAdminClient(controlDir(dir));
  try {
    return await control.call('bus.status', {});
  } finally {
    await control.close();
  }
}

async function isRunning(dir: string, name: string): Promise<boolean> {
  const record = await readRecord(dir, name);
  return record !== undefined && isAlive(record);
}
