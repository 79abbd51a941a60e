/** A loop beside the requests: topic keys are rotated and destroyed when that is due, old tickets go. */
import { systemClock } from '../clock.ts';
import { errorText } from '../errors.ts';
import { upkeepTopicKeys, type VersionContext } from '../keys/service.ts';
import type { Logger } from '../log.ts';
import { appendAudit, bumpVersion, cutOffSites, type Registry } from '../registry/index.ts';

export interface KeyUpkeepOptions {
  db: Registry;
  keyVersions: VersionContext;
  log: Logger;
  signal: AbortSignal;
}

const everyMs = 5_000;
/** how long a revoked site may still ask what it must stop */
const toldForMs = 5_000;

/** Revoked sites had their seconds to hear of it: their keys count no more, and their connections end. */
async function cutOffRevoked(db: Registry, log: Logger): Promise<void> {
  const cut = await db.transaction().execute(async (trx) => {
    const names = await cutOffSites(trx, toldForMs);
    for (const noun of names) await appendAudit(trx, { actor: 'control', action: 'site.cut-off', noun });
    if (names.length > 0) await bumpVersion(trx);
    return names;
  });
  if (cut.length > 0) log.info({ event: 'sites.cut-off', sites: cut }, 'revoked sites are cut off');
}

/** Runs until the signal aborts. What fails is told of once and done the next time. */
export async function keepKeys({ db, keyVersions, log, signal }: KeyUpkeepOptions): Promise<void> {
  let hasFailed = false;
  while (!signal.aborted) {
    await systemClock.sleep(everyMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await cutOffRevoked(db, log);
      const done = await upkeepTopicKeys(keyVersions, db);
      if (done.rotated + done.destroyed > 0) log.info({ event: 'keys.upkeep', ...done }, 'topic keys were renewed');
      hasFailed = false;
    } catch (err) {
      if (!hasFailed) log.warn({ event: 'keys.upkeep-failed', err }, `upkeep of keys: ${errorText(err)}`);
      hasFailed = true;
    }
  }
}
