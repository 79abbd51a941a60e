/** `mbus status`: what is up, what waits, and why; with --watch again every two seconds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { BusError } from '../../src/errors.ts';
import type { Status, StatusFilter } from '../../src/status/index.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { addStatusFilter, printStatus } from '../status-print.ts';

const watchMs = 2_000;
const pageMs = 5_000;

interface StatusOptions extends ControlOptions, StatusFilter {
  sidecar?: string;
  watch?: boolean;
}

export function register(program: Command): void {
  const verb = controlVerb(program, 'status', 'show what is up, what waits, and why', [
    'mbus status',
    'mbus status --customer acme --watch',
    'mbus status --group acme/trade@risk',
    'mbus status --sidecar http://127.0.0.1:9090',
    'mbus status --json',
  ]);
  addStatusFilter(verb)
    .option('--sidecar <url>', "a site's own view, from its sidecar's --monitor: also without the control plane")
    .option('--watch', 'again every two seconds until interrupted; with --json one document a line')
    .action(status);
}

async function status(options: StatusOptions): Promise<void> {
  const { sidecar } = options;
  if (sidecar !== undefined) {
    const show = async (): Promise<void> => printStatus(await viewOf(sidecar), options);
    return options.watch ? again(show, options) : show();
  }
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

/** The page of a sidecar on its monitoring address. E_TIMEOUT E_NOT_HERE */
async function viewOf(url: string): Promise<Status> {
  const page = new URL('/status', url);
  const answer = await fetch(page, { signal: AbortSignal.timeout(pageMs) }).catch((cause: unknown) => {
    throw new BusError('E_TIMEOUT', `no sidecar answers at ${page.origin}`, { cause });
  });
  const { view } = (await answer.json()) as { view?: Status | null };
  if (view) return view;
  throw new BusError('E_NOT_HERE', `the part at ${page.origin} has nothing to report yet, or is no sidecar`);
}
