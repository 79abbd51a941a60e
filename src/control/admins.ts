/**
 * The admins' public keys. They stand among the stored secrets, so that a row in the database makes nobody an admin: the
 * master key does. Each control directory's admin is added when that replica starts.
 */
import { isBusError } from '../errors.ts';
import type { MasterKeyHolder } from '../keys/service.ts';
import { listStored, loadOrCreateStored, loadStored, type Registry } from '../registry/index.ts';

const prefix = 'admin:';

export class Admins {
  readonly #db: Registry;
  readonly #masterKey: MasterKeyHolder;
  /** id by Ed25519 public key */
  #byKey = new Map<string, string>();

  constructor(db: Registry, masterKey: MasterKeyHolder) {
    this.#db = db;
    this.#masterKey = masterKey;
  }

  async add(id: string, publicKey: string): Promise<void> {
    await loadOrCreateStored(this.#db, this.#masterKey.bytes, `${prefix}${id}`, () => Buffer.from(publicKey));
    await this.#load();
  }

  /** The admin's id, also of one that another replica added meanwhile. */
  async find(publicKey: string): Promise<string | undefined> {
    if (!this.#byKey.has(publicKey)) await this.#load();
    return this.#byKey.get(publicKey);
  }

  async #stored(name: string): Promise<Buffer | undefined> {
    try {
      return await loadStored(this.#db, this.#masterKey.bytes, name);
    } catch (error) {
      if (!isBusError(error, 'E_MASTER_KEY') || !(await this.#masterKey.reload())) throw error;
      return loadStored(this.#db, this.#masterKey.bytes, name);
    }
  }

  async #load(): Promise<void> {
    const known = new Set(this.#byKey.values());
    for (const name of await listStored(this.#db, prefix)) {
      const id = name.slice(prefix.length);
      if (known.has(id)) continue;
      const key = await this.#stored(name);
      if (key) this.#byKey.set(key.toString('utf8'), id);
    }
  }
}
