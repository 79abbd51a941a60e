/**
 * Account tokens and the servers' resolvers. A token is encoded again only when its claims change and is kept on disk
 * as soon as every living server has it; all are pushed again whenever there is a server that was not there last time, so
 * a crash at any line heals with the next apply.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { encodeAccountJwt, encodeDeleteJwt, type KeyPair, writeFileAtomic } from '../trust/index.ts';
import { type DesiredAccount, fixedAccounts } from './accounts.ts';
import type { SiteDir } from './dir.ts';
import type { LivingServers } from './living-servers.ts';

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
  /** ids of servers, by account */
  readonly #pushedTo = new Map<string, ReadonlySet<string>>();

  constructor(dir: SiteDir, operator: KeyPair) {
    this.#dir = dir;
    this.#operator = operator;
  }

  async load(): Promise<void> {
    this.#kept = (await this.#dir.readJson<Record<string, KeptAccount>>(fileName)) ?? {};
  }

  /** Makes every living server know these accounts; others stay for now. Returns the names that changed. */
  async push(servers: LivingServers, desired: DesiredAccount[]): Promise<string[]> {
    const ids = new Set(servers.ids);
    const next = await Promise.all(desired.map(async (account) => [account.key, await this.#encode(account)] as const));
    const due = next.filter(([key, kept]) => !isSubset(ids, this.#pushedTo.get(key)) || this.#kept[key] !== kept);
    // nats-server drops an import of what is not exported yet
    const importing = new Set(desired.filter(({ claims }) => claims.imports !== undefined).map(({ key }) => key));
    for (const isLast of [false, true]) {
      const batch = due.filter(([key]) => importing.has(key) === isLast);
      await Promise.all(batch.map(([, { jwt }]) => servers.requestAll('$SYS.REQ.CLAIMS.UPDATE', jwt)));
    }
    const changed = due.filter(([key, kept]) => this.#kept[key] !== kept).map(([key]) => key);
    if (changed.length > 0) {
      this.#kept = { ...this.#kept, ...Object.fromEntries(next) };
      await this.#save();
    }
    for (const [key] of next) this.#pushedTo.set(key, ids);
    return changed;
  }

  /** Removes accounts that are not desired any more: their connections end. Streams on disk stay. */
  async prune(servers: LivingServers, desired: DesiredAccount[]): Promise<string[]> {
    const wanted = new Set(desired.map((account) => account.key));
    const gone = Object.keys(this.#kept).filter((key) => !wanted.has(key) && !fixedAccounts.some((f) => f.key === key));
    if (gone.length === 0) return [];
    const accounts = gone.map((key) => this.#kept[key]?.publicKey ?? '').filter(Boolean);
    await servers.requestAll('$SYS.REQ.CLAIMS.DELETE', await encodeDeleteJwt(accounts, this.#operator));
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

/**
 * Puts the tokens where a server looks when it starts. One that was away does not know whom the others have shut out
 * meanwhile, and takes clients before anybody could tell it.
 */
export async function layAccounts(dir: SiteDir, resolverDir: string): Promise<void> {
  const kept = (await dir.readJson<Record<string, KeptAccount>>(fileName)) ?? {};
  for (const { publicKey, jwt } of Object.values(kept)) {
    await writeFileAtomic(join(resolverDir, `${publicKey}.jwt`), jwt);
  }
}

function isSubset(some: ReadonlySet<string>, all: ReadonlySet<string> | undefined): boolean {
  return all !== undefined && [...some].every((each) => all.has(each));
}
