/**
 * Account tokens and the server's resolver. A token is encoded again only when its claims change and is kept on disk
 * as soon as the server has it; all are pushed again whenever the server is another process than last time, so a crash
 * at any line heals with the next apply.
 */
import { createHash } from 'node:crypto';
import type { NatsConnection } from '@nats-io/nats-core';
import { systemRequest } from '../server/index.ts';
import { encodeAccountJwt, encodeDeleteJwt, type KeyPair } from '../trust/index.ts';
import { type DesiredAccount, fixedAccounts } from './accounts.ts';
import type { SiteDir } from './dir.ts';

interface KeptAccount {
  publicKey: string;
  /** of the claims */
  hash: string;
  jwt: string;
}

const fileName = 'nats/accounts.json';

export class AccountStore {
  readonly #dir: SiteDir;
  readonly #operator: KeyPair;
  #kept: Record<string, KeptAccount> = {};
  /** server id by account */
  readonly #pushedTo = new Map<string, string | undefined>();

  constructor(dir: SiteDir, operator: KeyPair) {
    this.#dir = dir;
    this.#operator = operator;
  }

  async load(): Promise<void> {
    this.#kept = (await this.#dir.readJson<Record<string, KeptAccount>>(fileName)) ?? {};
  }

  /** Makes the server know these accounts; others stay for now. Returns the names that changed. */
  async push(system: NatsConnection, desired: DesiredAccount[]): Promise<string[]> {
    const serverId = system.info?.server_id;
    const next = await Promise.all(desired.map(async (account) => [account.key, await this.#encode(account)] as const));
    const due = next.filter(([key, kept]) => this.#pushedTo.get(key) !== serverId || this.#kept[key] !== kept);
    for (const [, { jwt }] of due) await systemRequest(system, () => '$SYS.REQ.CLAIMS.UPDATE', jwt);
    const changed = due.filter(([key, kept]) => this.#kept[key] !== kept).map(([key]) => key);
    if (changed.length > 0) {
      this.#kept = { ...this.#kept, ...Object.fromEntries(next) };
      await this.#save();
    }
    for (const [key] of next) this.#pushedTo.set(key, serverId);
    return changed;
  }

  /** Removes accounts that are not desired any more: their connections end. Streams on disk stay. */
  async prune(system: NatsConnection, desired: DesiredAccount[]): Promise<string[]> {
    const wanted = new Set(desired.map((account) => account.key));
    const gone = Object.keys(this.#kept).filter((key) => !wanted.has(key) && !fixedAccounts.some((f) => f.key === key));
    if (gone.length === 0) return [];
    const accounts = gone.map((key) => this.#kept[key]?.publicKey ?? '').filter(Boolean);
    await systemRequest(system, () => '$SYS.REQ.CLAIMS.DELETE', await encodeDeleteJwt(accounts, this.#operator));
    this.#kept = Object.fromEntries(Object.entries(this.#kept).filter(([key]) => wanted.has(key)));
    await this.#save();
    return gone;
  }

  async #encode(account: DesiredAccount): Promise<KeptAccount> {
    const hash = createHash('sha256').update(JSON.stringify(account.claims)).digest('hex');
    const publicKey = (await this.#dir.key(account.key, 'account')).getPublicKey();
    const kept = this.#kept[account.key];
    if (kept?.hash === hash && kept.publicKey === publicKey) return kept;
    return { publicKey, hash, jwt: await encodeAccountJwt(account.claims, publicKey, this.#operator) };
  }

  #save(): Promise<void> {
    return this.#dir.writeJson(fileName, this.#kept);
  }
}
