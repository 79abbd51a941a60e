/**
 * After all is healed: waits until nothing moves any more, asks the ledgers, and gives what is owed more time until nothing
 * has come for as long as the deadline says. Then once more as long as an acknowledgement may take, so that a late second copy is
 * seen.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type JudgeOptions, judge, type Verdict } from './judge.ts';
import { ackWaitMs } from './topology.ts';

const quietMs = 2_500;
const pollMs = 250;
/** however much moves */
const mostMs = 900_000;

export interface DrainOptions extends JudgeOptions {
  /** without any delivery */
  deadlineMs: number;
  signal: AbortSignal;
  say: (line: string) => void;
}

/** `drainMs`: how long it took until nothing was owed any more, or until it gave up. */
export async function drain(options: DrainOptions): Promise<{ verdict: Verdict; drainMs: number }> {
  const { deadlineMs, signal, say } = options;
  const startMs = performance.now();
  for (let quietSinceMs = 0; ; ) {
    const beforeBytes = await ledgerBytes(options.dir);
    await untilQuiet(options, quietMs, mostMs);
    signal.throwIfAborted();
    const owed = Object.values((await judge(options)).groups).reduce((sum, { lost }) => sum + lost, 0);
    const nowMs = performance.now();
    if (quietSinceMs === 0 || (await ledgerBytes(options.dir)) !== beforeBytes) quietSinceMs = nowMs;
    if (owed === 0 || nowMs - quietSinceMs > deadlineMs || nowMs - startMs > mostMs) break;
    say(`${owed} deliveries are still owed`);
  }
  const drainMs = Math.round(performance.now() - startMs);
  await untilQuiet(options, ackWaitMs + quietMs, 2 * ackWaitMs + quietMs);
  return { verdict: await judge(options), drainMs };
}

/** No consumer wrote anything for `forMs`; gives up after `withinMs`. */
async function untilQuiet({ dir, signal }: DrainOptions, forMs: number, withinMs: number): Promise<void> {
  const startMs = performance.now();
  let [size, sinceMs] = [await ledgerBytes(dir), startMs];
  while (performance.now() - sinceMs < forMs && performance.now() - startMs < withinMs) {
    await delay(pollMs, undefined, { signal });
    const now = await ledgerBytes(dir);
    if (now !== size) [size, sinceMs] = [now, performance.now()];
  }
}

async function ledgerBytes(dir: string): Promise<number> {
  const files = (await readdir(dir)).filter((name) => name.startsWith('delivered.'));
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(dir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
