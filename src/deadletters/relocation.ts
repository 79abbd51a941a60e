/**
 * Moves messages from one stream of an account into another, each once: the copies and the list of what they were copied
 * from are one atomic batch, and only then the originals are deleted by sequence. Killed in between, the next life finds
 * the list in the target and deletes first; what is listed is never copied again.
 *
 *   idle ──batch stored──▶ copied ──originals deleted──▶ idle       the list is replaced by the next batch
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { type ArrivalPlace, type BatchMessage, publishBatch } from '../delivery/index.ts';
import { decodeMarker, encodeMarker, type Flow, RangeSet } from '../envelope/index.ts';
import { isBusError } from '../errors.ts';
import { deleteBacklog } from '../groups/index.ts';
import { natsCall, orNull } from '../nats/index.ts';

export interface RelocationOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  macKey: Uint8Array;
  /** the source as an origin; its incarnation names the list in the target */
  flow: Flow;
  source: string;
  target: ArrivalPlace;
  /** told of the target's sequence up to which it is stored */
  onStored?: (seq: number) => void;
}

export interface Moving extends BatchMessage {
  /** in the source */
  seq: number;
}

/** JetStream: no message found */
const noMessage = 10037;

export class Relocation {
  readonly #options: RelocationOptions;
  readonly #subject: string;
  /** copied, and perhaps still in the source */
  #copied: Set<number> | undefined;
  #markerSeq = 0;

  constructor(options: RelocationOptions) {
    this.#options = options;
    const { flow, target } = options;
    this.#subject = `${target.markerPrefix}moved-${flow.incarnation}`;
  }

  /** Deletes in the source what an earlier step copied, as far as `mayDelete` says; what must stay is tried again. E_NATS */
  async settle(mayDelete: (seq: number) => boolean): Promise<void> {
    const { nc, source } = this.#options;
    const copied = await this.#list();
    const seqs = [...copied].filter(mayDelete);
    if (seqs.length === 0) return;
    await deleteBacklog(nc, source, seqs);
    for (const seq of seqs) copied.delete(seq);
  }

  /** Copied already, and waiting to be deleted. */
  isCopied(seq: number): boolean {
    return this.#copied?.has(seq) ?? false;
  }

  /** Copies at most 999 messages, all or none. E_STREAM_FULL E_CONFLICT E_NATS E_MARKER_BAD */
  async #copy(messages: readonly Moving[]): Promise<void> {
    const { nc, macKey, flow, target } = this.#options;
    const copied = await this.#list();
    const next = new Set([...copied, ...messages.map(({ seq }) => seq)]);
    const received = RangeSet.of(
      0,
      [...next].map((seq) => [seq, seq] as const),
    );
    const marker = { flow, floor: 0, received, lost: new RangeSet() };
    const batch: BatchMessage[] = [...messages];
    batch.push({
      subject: this.#subject,
      headerLines: `Nats-Rollup: sub\r\nNats-Expected-Last-Subject-Sequence: ${this.#markerSeq}\r\n`,
      payload: encodeMarker(marker, macKey, target.name),
    });
    try {
      this.#markerSeq = await publishBatch(nc, batch);
      this.#copied = next;
      this.#options.onStored?.(this.#markerSeq);
    } catch (error) {
      // it may be stored all the same: the list in the target tells
      if (!isBusError(error, 'E_STREAM_FULL')) this.#copied = undefined;
      throw error;
    }
  }

  /** As many as there is room for, deleted in the source; resolves with their number. E_STREAM_FULL when there is none. */
  async move(messages: readonly Moving[], mayDelete: (seq: number) => boolean): Promise<number> {
    try {
      await this.#copy(messages);
    } catch (error) {
      const middle = messages.length >> 1;
      if (!isBusError(error, 'E_STREAM_FULL') || middle === 0) throw error;
      const moved = await this.move(messages.slice(0, middle), mayDelete);
      return moved + (await this.move(messages.slice(middle), mayDelete).catch(noneIfFull));
    }
    await this.settle(mayDelete);
    return messages.length;
  }

  async #list(): Promise<Set<number>> {
    this.#copied ??= await this.#readList();
    return this.#copied;
  }

  async #readList(): Promise<Set<number>> {
    const { jsm, target, macKey } = this.#options;
    const stored = await orNull(
      natsCall(`marker in ${target.name}`, () => jsm.streams.getMessage(target.name, { last_by_subj: this.#subject })),
      noMessage,
    );
    this.#markerSeq = stored?.seq ?? 0;
    if (stored === null) return new Set();
    this.#options.onStored?.(stored.seq);
    const { received } = decodeMarker(stored.data, macKey, target.name);
    const seqs = new Set<number>();
    for (let seq = 1; seq <= received.mark; seq++) seqs.add(seq);
    for (const [first, last] of received.ranges) for (let seq = first; seq <= last; seq++) seqs.add(seq);
    return seqs;
  }
}

function noneIfFull(error: unknown): number {
  if (isBusError(error, 'E_STREAM_FULL')) return 0;
  throw error;
}
