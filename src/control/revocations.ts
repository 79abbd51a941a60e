/**
 * Sites that were removed, or joined with other keys, lose their control link: their NATS users are revoked in the token of
 * account CTL, and nats-server then closes what they hold open. Every replica tells its own server, again after each start
 * of it, so a replica that was away catches up.
 */
import type { Logger } from '../log.ts';
import { listRevokedUsers, type Registry } from '../registry/index.ts';
import { inTurns } from '../turns.ts';
import type { ControlIdentity } from './identity.ts';
import type { ControlNats } from './nats.ts';

export interface RevocationOptions {
  db: Registry;
  nats: ControlNats;
  identity: ControlIdentity;
  log: Logger;
}

export class Revocations {
  readonly #options: RevocationOptions;
  /** users and the server's pid, as last told */
  #told = '';
  readonly #inTurn = inTurns();

  constructor(options: RevocationOptions) {
    this.#options = options;
  }

  /** Tells the server what it does not know yet; E_SERVER_AWAY E_DATABASE_AWAY, to be tried again. */
  follow(): Promise<void> {
    return this.#inTurn(() => this.#follow());
  }

  async #follow(): Promise<void> {
    const { db, nats, identity, log } = this.#options;
    const users = await listRevokedUsers(db);
    const count = Object.keys(users).length;
    const text = JSON.stringify([nats.pid, users]);
    if (text === this.#told || (count === 0 && this.#told === '')) return;
    await nats.updateAccount(await identity.ctlJwtWithout(users));
    this.#told = text;
    log.info({ event: 'control.revocations', users: count }, 'control users of former sites are revoked');
  }
}
