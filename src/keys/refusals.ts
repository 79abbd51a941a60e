/**
 * Refusals that no sound terminal meets: a wrong proof or password, a topic of which it is in no group, a terminal that is
 * not the site's own. They stand in the audit table, a few a minute per site and check, so that nobody fills it.
 */
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { appendAudit } from '../registry/audit.ts';
import type { Registry } from '../registry/connection.ts';
import { findSite } from '../registry/sites.ts';
import { RateLimit } from './rate-limit.ts';

/** What was checked when a request was refused. */
export type Check =
  | 'malformed'
  | 'no registered terminal of this site with that topic'
  | 'proof'
  | 'reported compromised'
  | 'terminal revoked'
  | 'site revoked'
  | 'customer suspended'
  | 'ticket revoked'
  | 'no such ticket of the topic'
  | 'not in a group of the topic'
  | 'epoch destroyed'
  | 'password'
  | 'header'
  | 'header of another ticket'
  | 'sender reported compromised';

/** A terminal that was removed a moment ago, or a ticket that is forgotten, is nobody's attack. */
const harmless: ReadonlySet<Check> = new Set([
  'no such ticket of the topic',
  'epoch destroyed',
  'sender reported compromised',
  'ticket revoked',
  'customer suspended',
]);

export interface Refusal {
  siteId: string;
  method: string;
  terminalId: string;
  topicId: string;
  check: Check;
}

const perMinute = 5;

export class RefusalAudit {
  readonly #db: Registry;
  readonly #log: Logger;
  readonly #rate: RateLimit;

  constructor(db: Registry, log: Logger, clock: Clock) {
    this.#db = db;
    this.#log = log;
    this.#rate = new RateLimit({ perSecond: perMinute / 60, burst: perMinute }, clock);
  }

  /** Written beside the answer: what is refused must not take longer, nor fail in another way. */
  note({ siteId, method, terminalId, topicId, check }: Refusal): void {
    if (harmless.has(check) || !this.#rate.take(`${siteId} ${check}`)) return;
    const write = async (): Promise<void> => {
      const site = await findSite(this.#db, { id: siteId });
      const actor = `site:${site?.name ?? siteId}`;
      const details = { terminalId, topicId, check };
      await appendAudit(this.#db, { actor, action: `refused ${method}`, noun: terminalId, details });
    };
    write().catch((err: unknown) => {
      this.#log.warn({ event: 'keys.audit-failed', check, err }, 'a refusal could not be written to the audit table');
    });
  }
}
