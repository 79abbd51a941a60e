/**
 * What an operator does at the bus while the campaign runs: applies a file, rotates a key. Where the control plane or its
 * database is away just then, as it often is, the operator asks again, so each is done late and none is left out.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createAdminClient } from '../src/api/index.ts';
import type { ControlClient } from '../src/api/methods.ts';
import { isBusError } from '../src/errors.ts';

const patienceMs = 180_000;
/** nobody is there to ask just now */
const away = ['E_CONTROL_AWAY', 'E_DATABASE_AWAY', 'E_LAB_GONE'] as const;
const pauseMs = 500;

/** Again while nobody answers; throws what was said last when that takes longer than three minutes. */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (const endMs = performance.now() + patienceMs; ; ) {
    try {
      return await work();
    } catch (error) {
      if (!isBusError(error, ...away) || performance.now() > endMs) throw error;
    }
    await delay(pauseMs);
  }
}

/** The control plane of the lab in `lab`, over a connection of its own. */
export async function askControl<T>(lab: string, work: (control: ControlClient) => Promise<T>): Promise<T> {
  return insist(async () => {
    const control = await createAdminClient(join(lab, 'control'));
    try {
      return await work(control);
    } finally {
      await control.close();
    }
  });
}
