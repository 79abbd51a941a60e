/** Signed snapshots, made once per site and version: many sites ask at the same moment after a change. */
import { type ControlKeys, type SignedSnapshot, signSnapshot } from '../api/index.ts';
import { buildSnapshot, type Registry } from '../registry/index.ts';

export interface VersionedSnapshot extends SignedSnapshot {
  version: number;
}

const maxEntries = 1_000;

export class SnapshotService {
  readonly #db: Registry;
  readonly #keys: ControlKeys;
  readonly #caPem: string;
  readonly #bySite = new Map<string, VersionedSnapshot>();

  constructor(db: Registry, keys: ControlKeys, caPem: string) {
    this.#db = db;
    this.#keys = keys;
    this.#caPem = caPem;
  }

  /** The site's snapshot at `version` or later. */
  async get(siteId: string, version: number): Promise<VersionedSnapshot> {
    const made = this.#bySite.get(siteId);
    if (made && made.version >= version) return made;
    const { signKey, sealKey } = this.#keys;
    const snapshot = await buildSnapshot(this.#db, siteId, { signKey, sealKey, caPem: this.#caPem });
    const signed = { version: snapshot.version, ...signSnapshot(snapshot, this.#keys) };
    this.#bySite.delete(siteId);
    if (this.#bySite.size >= maxEntries) this.#bySite.clear();
    this.#bySite.set(siteId, signed);
    return signed;
  }
}
