/** Brokers that the bench started itself, ended by their own handles. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

const graceMs = 5_000;

export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const isEnded = await Promise.race([ended.then(() => true), delay(graceMs, false)]);
  if (isEnded) return;
  child.kill('SIGKILL');
  await ended;
}
