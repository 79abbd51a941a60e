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
  readonly #users: readonly string[];

  private constructor(users: readonly string[]) {
    this.#users = users;
  }

  /** With more users, stored when this resolves; in force with the next push of accounts. */
  static async open(dir: SiteDir, more: readonly string[]): Promise<Fence> {
    const known = (await dir.readJson<string[]>(fileName)) ?? [];
    const users = [...known.filter((user) => !more.includes(user)), ...more].slice(-mostUsers);
    if (more.length > 0) await dir.writeJson(fileName, users);
    return new Fence(users);
  }

  /** The fixed accounts as they must be; none while nobody was shut out, for nats-server knows them as they began. */
  get fixed(): DesiredAccount[] {
    return this.#users.length === 0 ? [] : this.#shut(fixedAccounts);
  }

  /** The accounts of a snapshot and the fixed ones, closed to them. */
  all(ofSnapshot: readonly DesiredAccount[]): DesiredAccount[] {
    return [...this.fixed, ...this.#shut(ofSnapshot)];
  }

  #shut(accounts: readonly DesiredAccount[]): DesiredAccount[] {
    const users = Object.fromEntries(this.#users.map((user) => [user, forever]));
    return accounts.map(({ key, claims }) => ({
      key,
      claims: this.#users.length === 0 ? claims : { ...claims, revocations: { ...claims.revocations, ...users } },
    }));
  }
}
