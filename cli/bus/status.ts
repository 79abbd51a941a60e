/** `mbus status`: what is up, what waits, and why; with --watch again every two seconds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { StatusFilter } from '../../src/status/index.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { addStatusFilter, printStatus } from '../status-print.ts';

const watchMs = 2_000;

interface StatusOptions extends ControlOptions, StatusFilter {
  watch?: boolean;
}

export function register(program: Command): void {
  const verb = controlVerb(program, 'status', 'show what is up, what waits, and why', [
    'mbus status',
    'mbus status --customer acme --watch',
    'mbus status --group acme/trade@risk',
    'mbus status --json',
  ]);
  addStatusFilter(verb)
    .option('--watch', 'again every two seconds until interrupted; with --json one document a line')
    .action(status);
}

async function status(options: StatusOptions): Promise<void> {
  await withControl(options, async (control) => {
    const show = async (): Promise<void> => printStatus(await control.call('bus.status', {}), options);
    if (options.watch) await again(show, options);
    else await show();
  });
}

async function again(show: () => Promise<void>, { json }: StatusOptions): Promise<void> {
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  while (!interrupted.signal.aborted) {
    if (process.stdout.isTTY && !json) process.stdout.write('\x1b[2J\x1b[H');
    await show();
    await delay(watchMs, undefined, { signal: interrupted.signal }).catch(() => {});
  }
}
