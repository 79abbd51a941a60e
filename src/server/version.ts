/**
 * The version of a nats-server binary, and the oldest the bus works with: before 2.15.1 leaf permissions had holes and
 * sourcing lost or doubled messages.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BusError } from '../errors.ts';

export const minimumVersion = '2.15.1';

/** `2.15.1` of `nats-server: v2.15.1`; throws when the file cannot be run or says something else. */
export async function readVersion(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
  const version = /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined)
    throw new BusError(
      'E_NATS_SERVER_MISSING',
      `${path} says ${JSON.stringify(stdout.slice(0, 80))} instead of its version`,
    );
  return version;
}

export function isNewEnough(version: string): boolean {
  const [have, need] = [version, minimumVersion].map((v) => v.split('.').map(Number)) as [number[], number[]];
  for (const [i, wanted] of need.entries()) {
    const had = have[i] ?? 0;
    if (had !== wanted) return had > wanted;
  }
  return true;
}
