/**
 * The root secrets of topics as the key service uses them: the one that seals, made when a topic has none, and the next one.
 * Roots exist in the clear in this process only; the database holds them under the master key.
 */
import { randomBytes } from 'node:crypto';
import { KEY_BYTES } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Registry } from '../registry/connection.ts';
import type { DatabaseNow } from '../registry/tickets.ts';
import { findNewestRoot, insertRoot, nextEpoch, retireRoot } from '../registry/topic-keys.ts';
import { type TopicEpoch, unwrapRoot, wrapRoot } from './derive.ts';

export class TopicRoots {
  readonly #masterKey: Uint8Array;
  readonly #now: DatabaseNow;

  /** messages of tickets that seal once (strict topics), by topic and epoch, until upkeep writes them */
  readonly #sealed = new Map<string, TopicEpoch & { messages: number }>();

  constructor(masterKey: Uint8Array, now: DatabaseNow) {
    this.#masterKey = masterKey;
    this.#now = now;
  }

  /** @throws E_TOPIC_KEY when it was wrapped by another master key, or altered */
  unwrap(at: TopicEpoch, wrapped: Uint8Array): Buffer {
    return unwrapRoot(this.#masterKey, at, wrapped);
  }

  /** The epoch to seal under, made when the topic has none. @throws E_TOPIC_KEY */
  async sealing(db: Registry, topicId: string): Promise<{ epoch: number; root: Buffer }> {
    const stored = (await findNewestRoot(db, topicId)) ?? (await this.#first(db, topicId));
    return { epoch: stored.epoch, root: this.unwrap({ topicId, epoch: stored.epoch }, stored.wrapped) };
  }

  /** Retires the sealing epoch and makes the next one; `trx` holds the bus's row. Returns the new epoch. */
  async rotate(trx: Registry, topicId: string): Promise<number> {
    const epoch = await nextEpoch(trx, topicId);
    await retireRoot(trx, this.#now, topicId);
    await this.#insert(trx, { topicId, epoch });
    return epoch;
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

  async #first(db: Registry, topicId: string) {
    // the number first: a replica that is faster from here on takes the same one, and the database keeps the first
    const epoch = await nextEpoch(db, topicId);
    let stored = await findNewestRoot(db, topicId);
    if (!stored) {
      await this.#insert(db, { topicId, epoch });
      stored = await findNewestRoot(db, topicId);
    }
    if (!stored) throw new BusError('E_TOPIC_KEY', `topic ${topicId} has no key and none could be stored`);
    return stored;
  }

  #insert(db: Registry, at: TopicEpoch): Promise<void> {
    const wrapped = wrapRoot(this.#masterKey, at, randomBytes(KEY_BYTES));
    return insertRoot(db, at.topicId, { epoch: at.epoch, wrapped }, this.#now);
  }
}
