/**
 * Who a request comes from, and whether he may make it. The key that signed it says who; the table of methods says
 * which kind of caller a method is for. A refusal is audited, at most so often per caller that nobody fills the log.
 */
import type { IncomingCall } from '../api/index.ts';
import { type MethodCaller, type MethodName, methods } from '../api/methods.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { appendAudit, findSite, type Registry, type Site } from '../registry/index.ts';
import type { Admins } from './admins.ts';

export type Caller = { kind: 'site'; site: Site } | { kind: 'admin'; id: string } | { kind: 'token'; key: string };

export interface AuthorizeOptions {
  db: Registry;
  admins: Admins;
  log: Logger;
}

const auditPerMinute = 30;

/** what a revoked site still needs for a few seconds, to learn of it and say what waits there */
const toldToRevoked: ReadonlySet<MethodName> = new Set(['snapshot.get', 'site.report']);

export class Authorizer {
  readonly #options: AuthorizeOptions;
  /** audited refusals of the running minute by actor */
  #audited = new Map<string, number>();
  #minute = 0;

  constructor(options: AuthorizeOptions) {
    this.#options = options;
  }

  /** E_FORBIDDEN, audited, when the caller is not one the method is for. */
  async authorize(call: IncomingCall): Promise<Caller> {
    const wanted: MethodCaller = methods[call.method].caller;
    if (wanted === 'token') return { kind: 'token', key: call.key };
    const caller = await this.#identify(call.key);
    if (caller?.kind === 'site' && caller.site.isRevoked && !toldToRevoked.has(call.method)) {
      throw await this.refuse(call, caller, `${call.method}: the site is revoked`);
    }
    if (caller?.kind === wanted) return caller;
    const message = caller
      ? `${call.method} is not for a ${caller.kind}`
      : `${call.method}: the key that signed it belongs to no ${wanted} of this bus`;
    throw await this.refuse(call, caller ?? { kind: 'token', key: call.key }, message);
  }

  /** Audits a refusal and returns the error to throw. */
  async refuse(call: IncomingCall, caller: Caller, message: string): Promise<BusError> {
    const { db, log } = this.#options;
    const actor = actorOf(caller);
    log.warn({ event: 'api.refused', method: call.method, actor }, message);
    if (this.#mayAudit(actor)) {
      await appendAudit(db, { actor, action: `refused ${call.method}`, noun: call.callerId, details: { message } });
    }
    return new BusError('E_FORBIDDEN', message, { details: { method: call.method } });
  }

  async #identify(key: string): Promise<Caller | undefined> {
    const site = await findSite(this.#options.db, { requestKey: key });
    if (site) return { kind: 'site', site };
    const id = await this.#options.admins.find(key);
    return id === undefined ? undefined : { kind: 'admin', id };
  }

  #mayAudit(actor: string): boolean {
    const minute = Math.floor(performance.now() / 60_000);
    if (minute !== this.#minute) this.#audited = new Map();
    this.#minute = minute;
    // strangers share one budget: they cost nothing to make
    const budget = actor.startsWith('key:') ? 'strangers' : actor;
    const count = (this.#audited.get(budget) ?? 0) + 1;
    this.#audited.set(budget, count);
    return count <= auditPerMinute;
  }
}

/** The caller's name in the audit log. */
export function actorOf(caller: Caller): string {
  if (caller.kind === 'site') return `site:${caller.site.name}`;
  return caller.kind === 'admin' ? `admin:${caller.id}` : `key:${caller.key.slice(0, 16)}`;
}
