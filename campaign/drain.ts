/**
 * After all is healed: waits until nothing moves any more, asks the ledgers, and gives what is owed more time until the
 * deadline. Then once more as long as an acknowledgement may take, so that a late second copy is seen.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type JudgeOptions, judge, type Verdict } from './judge.ts';
import { ackWaitMs } from './topology.ts';

const quietMs = 2_500;
const pollMs = 250;

export interface DrainOptions extends JudgeOptions {
  deadlineMs: number;
  signal: AbortSignal;
  say: (line: string) => void;
}

/** `drainMs`: how long it took until nothing was owed any more, or until it gave up. */
export async function drain(options: DrainOptions): Promise<{ verdict: Verdict; drainMs: number }> {
  const { deadlineMs, signal, say } = options;
  const startMs = performance.now();
  const leftMs = (): number => Math.max(0, startMs + deadlineMs - performance.now());
  for (;;) {
    await untilQuiet(options, quietMs, leftMs());
    signal.throwIfAborted();
    const owed = Object.values((await judge(options)).groups).reduce((sum, { lost }) => sum + lost, 0);
    if (owed === 0 || leftMs() === 0) break;
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
