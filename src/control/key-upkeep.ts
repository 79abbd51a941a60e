/** A loop beside the requests: topic keys are rotated and destroyed when that is due, old tickets go. */
import { systemClock } from '../clock.ts';
import { errorText } from '../errors.ts';
import { upkeepTopicKeys, type VersionContext } from '../keys/service.ts';
import type { Logger } from '../log.ts';
import type { Registry } from '../registry/index.ts';

export interface KeyUpkeepOptions {
  db: Registry;
  keyVersions: VersionContext;
  log: Logger;
  signal: AbortSignal;
}

const everyMs = 5_000;

/** Runs until the signal aborts. What fails is told of once and done the next time. */
export async function keepKeys({ db, keyVersions, log, signal }: KeyUpkeepOptions): Promise<void> {
  let hasFailed = false;
  while (!signal.aborted) {
    await systemClock.sleep(everyMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const done = await upkeepTopicKeys(keyVersions, db);
      if (done.rotated + done.destroyed > 0) log.info({ event: 'keys.upkeep', ...done }, 'topic keys were renewed');
      hasFailed = false;
    } catch (err) {
      if (!hasFailed) log.warn({ event: 'keys.upkeep-failed', err }, `upkeep of keys: ${errorText(err)}`);
      hasFailed = true;
    }
  }
}
