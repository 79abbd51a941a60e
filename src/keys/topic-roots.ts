/**
 * The root secrets of topics as the key service uses them: the one that seals, made when a topic has none, and the next one.
 * Roots exist in the clear in this process only; the database holds them under the master key.
 */
import { randomBytes } from 'node:crypto';
import { KEY_BYTES } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Registry } from '../registry/connection.ts';
import type { DatabaseNow } from '../registry/tickets.ts';
import { findNewestRoot, insertRoot, nextEpoch, retireRoot, type StoredRoot } from '../registry/topic-keys.ts';
import { type TopicEpoch, unwrapRoot, wrapRoot } from './derive.ts';

/** The master key, which may become another one while this process runs. */
export interface MasterKeyHolder {
  readonly bytes: Uint8Array;
  /** fingerprint */
  readonly id: string;
  /** reads it again; true when it is another one than before */
  reload(): Promise<boolean>;
}

export class TopicRoots {
  readonly #masterKey: MasterKeyHolder;
  readonly #now: DatabaseNow;

  /** messages of tickets that seal once (strict topics), by topic and epoch, until upkeep writes them */
  readonly #asking = new Map<string, Promise<StoredRoot | undefined>>();
  readonly #sealed = new Map<string, TopicEpoch & { messages: number }>();

  constructor(masterKey: MasterKeyHolder, now: DatabaseNow) {
    this.#masterKey = masterKey;
    this.#now = now;
  }

  /** @throws E_TOPIC_KEY when it was wrapped by another master key, or altered */
  async unwrap(at: TopicEpoch, wrapped: Uint8Array): Promise<Buffer> {
    try {
      return unwrapRoot(this.#masterKey.bytes, at, wrapped);
    } catch (error) {
      if (!(await this.#masterKey.reload())) throw error;
      return unwrapRoot(this.#masterKey.bytes, at, wrapped);
    }
  }

  /** The epoch to seal under, made when the topic has none. @throws E_TOPIC_KEY */
  async sealing(db: Registry, topicId: string): Promise<{ epoch: number; root: Buffer }> {
    const stored = (await this.#newest(db, topicId)) ?? (await this.#first(db, topicId));
    return { epoch: stored.epoch, root: await this.unwrap({ topicId, epoch: stored.epoch }, stored.wrapped) };
  }

  /** Retires the sealing epoch and makes the next one; `trx` holds the bus's row. Returns the new epoch. */
  async rotate(trx: Registry, topicId: string): Promise<number> {
    const epoch = await nextEpoch(trx, topicId);
    await retireRoot(trx, this.#now, topicId);
    await this.#insert(trx, { topicId, epoch });
    if ((await findNewestRoot(trx, topicId))?.epoch === epoch) return epoch;
    throw await this.#notStored(topicId);
  }

  noteSealed(at: TopicEpoch, messages: number): void {
    if (messages === 0) return;
    const key = `${at.topicId} ${at.epoch}`;
    this.#sealed.set(key, { ...at, messages: (this.#sealed.get(key)?.messages ?? 0) + messages });
  }

  /** What was noted since the last time; a replica that dies takes a few seconds of it along. */
  takeSealed(): (TopicEpoch & { messages: number })[] {
    const taken = [...this.#sealed.values()];
    this.#sealed.clear();
    return taken;
  }

  /** Shared by those who ask at once: who is told of a retired epoch asks again, because no ticket is stored for it. */
  #newest(db: Registry, topicId: string): Promise<StoredRoot | undefined> {
    const asking = this.#asking.get(topicId) ?? findNewestRoot(db, topicId).finally(() => this.#asking.delete(topicId));
    this.#asking.set(topicId, asking);
    return asking;
  }

  async #first(db: Registry, topicId: string) {
    // the number first: a replica that is faster from here on takes the same one, and the database keeps the first
    const epoch = await nextEpoch(db, topicId);
    let stored = await findNewestRoot(db, topicId);
    if (!stored) {
      await this.#insert(db, { topicId, epoch });
      stored = await findNewestRoot(db, topicId);
    }
    if (!stored) throw await this.#notStored(topicId);
    return stored;
  }

  /** The database has another master key: the next try may have it too. */
  async #notStored(topicId: string): Promise<BusError> {
    await this.#masterKey.reload();
    return new BusError('E_TOPIC_KEY', `topic ${topicId}: no key could be stored, the database has another master key`);
  }

  #insert(db: Registry, at: TopicEpoch): Promise<void> {
    const wrapped = wrapRoot(this.#masterKey.bytes, at, randomBytes(KEY_BYTES));
    return insertRoot(db, this.#now, { ...at, wrapped, masterKeyId: this.#masterKey.id });
  }
}
