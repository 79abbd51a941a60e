/**
 * Sidecars that worked for this site and may not any more. Their users are revoked in every account: nats-server closes
 * their connections and lets them in no more, so what such a process still writes when it wakes goes nowhere. A user is
 * made anew in each life of a sidecar, so nobody else is shut out.
 */
import { type DesiredAccount, fixedAccounts } from './accounts.ts';
import type { SiteDir } from './dir.ts';

const fileName = 'nats/fenced.json';
/** whatever the clock of the process says that signs its own tokens: 31 December 9999 */
const forever = 253_402_300_799;
/** lives of sidecars; one that was fenced that long ago is not asleep any more */
const mostUsers = 200;

export class Fence {
  readonly #dir: SiteDir;
  #users: string[];

  private constructor(dir: SiteDir, users: string[]) {
    this.#dir = dir;
    this.#users = users;
  }

  static async open(dir: SiteDir): Promise<Fence> {
    return new Fence(dir, (await dir.readJson<string[]>(fileName)) ?? []);
  }

  /** Stored when this resolves; in force with the next push of accounts. */
  async add(users: readonly string[]): Promise<void> {
    this.#users = [...this.#users.filter((each) => !users.includes(each)), ...users].slice(-mostUsers);
    await this.#dir.writeJson(fileName, this.#users);
  }

  /** The fixed accounts as they must be; none while nobody was shut out, for nats-server knows them as they began. */
  get fixed(): DesiredAccount[] {
    return this.#users.length === 0 ? [] : this.shut(fixedAccounts);
  }

  /** The same accounts, closed to them. */
  shut(accounts: readonly DesiredAccount[]): DesiredAccount[] {
    if (this.#users.length === 0) return [...accounts];
    const users = Object.fromEntries(this.#users.map((user) => [user, forever]));
    return accounts.map(({ key, claims }) => ({
      key,
      claims: { ...claims, revocations: { ...claims.revocations, ...users } },
    }));
  }
}
