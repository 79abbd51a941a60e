/**
 * Runs a daemon in the foreground: starts it, waits for a signal or for its own end, stops it. The first signal
 * drains, the second exits at once.
 */
import { readEnv } from '../src/config/env.ts';
import { type BusError, isBusError } from '../src/errors.ts';
import { Lifecycle, runUntilSignal } from '../src/lifecycle.ts';
import { createLogger, type Logger } from '../src/log.ts';
import { isLateWrite } from '../src/nats/index.ts';

/** another sidecar of the site has taken over: start it again and it stands by */
const leaseLostExit = 3;

export interface Daemon {
  stop(): Promise<void>;
  /** settles when the daemon has ended; rejects when it cannot go on */
  readonly closed?: Promise<void>;
}

/** Resolves after a clean stop; throws what the daemon died of. */
export async function runDaemon(name: string, start: (log: Logger) => Promise<Daemon>): Promise<void> {
  const log = createLogger(name, readEnv().logLevel);
  surviveLateWrites(log);
  const lifecycle = new Lifecycle(log);
  const daemon = await start(log);
  lifecycle.push(name, () => daemon.stop());
  const ended = daemon.closed ?? new Promise<never>(() => {});
  try {
    await Promise.race([runUntilSignal(lifecycle), ended]);
  } catch (error) {
    // another one works now: nothing of this one may be finished any more
    if (isBusError(error, 'E_LEASE_LOST')) endAtOnce(error, log);
    throw error;
  } finally {
    await lifecycle.stop();
  }
}

function endAtOnce(error: BusError, log: Logger): never {
  log.error({ event: 'lease.lost', err: error }, error.message);
  process.exit(leaseLostExit);
}

/** Any other uncaught error ends the process as it would without this. */
function surviveLateWrites(log: Logger): void {
  process.on('uncaughtException', (error) => {
    if (!isLateWrite(error)) {
      process.stderr.write(`${error.stack ?? error}\n`);
      process.exit(1);
    }
    log.warn({ event: 'nats.late-write', err: error }, 'a write met a connection that had just ended');
  });
}
