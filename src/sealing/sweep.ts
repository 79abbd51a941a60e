/** A loop that runs `work` every `everyMs` until it is stopped: tickets are renewed and forgotten by it. */
import type { Clock } from '../clock.ts';

export function startSweep(clock: Clock, everyMs: number, work: () => void): { stop(): void } {
  const abort = new AbortController();
  const run = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      await clock.sleep(everyMs, abort.signal).catch(() => undefined);
      if (!abort.signal.aborted) work();
    }
  };
  void run();
  return { stop: () => abort.abort() };
}
