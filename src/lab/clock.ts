/** The key service's clock of a lab, set ahead: tickets end and days pass without waiting for them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { BusError } from '../errors.ts';
import { readLab } from './state.ts';

const statusSchema = z.object({ aheadMs: z.number().default(0) });
const patienceMs = 10_000;

/** Where a lab's control plane looks for how far ahead it is, ms. */
export function clockFile(dir: string): string {
  return join(dir, 'clock');
}

/** Returns when the key service lives that far ahead of the real time; it goes on from there. E_LAB_GONE E_TIMEOUT */
export async function labClock(dir: string, aheadMs: number): Promise<void> {
  const { control } = await readLab(dir);
  await writeFile(clockFile(dir), String(aheadMs));
  const deadline = performance.now() + patienceMs;
  while ((await clockOf(control.monitor)) !== aheadMs) {
    if (performance.now() > deadline)
      throw new BusError('E_TIMEOUT', 'the control plane of this lab does not follow its clock');
    await delay(20);
  }
}

async function clockOf(port: number): Promise<number | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/status`, { signal: AbortSignal.timeout(2_000) });
    return statusSchema.parse(await response.json()).aheadMs;
  } catch {
    return undefined;
  }
}
