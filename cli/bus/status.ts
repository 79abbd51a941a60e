/** `mbus status`: what is up, what waits, and why; with --watch again every two seconds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { printResult } from '../output.ts';
import { statusText } from '../status-text.ts';

const watchMs = 2_000;

interface StatusOptions extends ControlOptions {
  watch?: boolean;
}

export function register(program: Command): void {
  controlVerb(program, 'status', 'show what is up, what waits, and why', [
    'mbus status',
    'mbus status --watch',
    'mbus status --json',
  ])
    .option('--watch', 'again every two seconds until interrupted; with --json one document a line')
    .action(status);
}

async function status({ watch, ...options }: StatusOptions): Promise<void> {
  await withControl(options, async (control) => {
    const interrupted = new AbortController();
    if (watch) process.once('SIGINT', () => interrupted.abort());
    do {
      const view = await control.call('bus.status', {});
      if (watch && process.stdout.isTTY && !options.json) process.stdout.write('\x1b[2J\x1b[H');
      printResult(options.json, view, () => statusText(view));
      if (watch) await delay(watchMs, undefined, { signal: interrupted.signal }).catch(() => {});
    } while (watch && !interrupted.signal.aborted);
  });
}
