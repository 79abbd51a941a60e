/**
 * Finds the messages of one group that were delivered as often as the group allows, and moves them to its dead letters.
 *
 * nats-server gives such a message up and keeps it: it is behind what every durable of the stream has settled, and still
 * there. Looking for that finds it whenever it was given up, also while no sidecar ran. nats-server's own word (an
 * advisory) is quicker, and needed where the durable is never without something under way: its floor then stands still
 * below the first message given up. After a restart in such a group, deliveries are paused for a moment to tell.
 */
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { SnapshotGroup, SnapshotTopic } from '../api/snapshot.ts';
import { backoffMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Flow } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { directGet, natsCall, type StoredMessage } from '../nats/index.ts';
import { type DeadStream, ensureDeadStream, findDeadStream } from './dead-stream.ts';
import { dressLetter, wayLines } from './letter.ts';
import { type Moving, Relocation } from './relocation.ts';

/** A group that is served here, and where its consumers read. */
export interface LimitedGroup {
  topic: SnapshotTopic;
  group: SnapshotGroup;
  stream: string;
  /** of that stream, 32 hex digits */
  incarnation: string;
}

export interface DeliveryLimitOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  macKey: Uint8Array;
  terminalId: string;
  limited: LimitedGroup;
  onDead: (messages: number) => void;
  clock: Clock;
  log: Logger;
}

const scanMessages = 500;
const scanBytes = 8 * 1024 * 1024;
const copyBytes = 8 * 1024 * 1024;
const pauseMarginMs = 2_000;
const maxRestMs = 600_000;

export class DeliveryLimit {
  limited: LimitedGroup;
  readonly #options: DeliveryLimitOptions;
  /** nats-server said that it gave these up */
  readonly #told = new Set<number>();
  /** behind every floor at the last look */
  #seen = new Set<number>();
  #target: DeadStream | undefined;
  #relocation: Relocation | undefined;
  #hasLooked = false;
  /** the floor and since when it stands there */
  #floor = { seq: -1, sinceMs: 0 };
  #pauses = 0;

  constructor(options: DeliveryLimitOptions) {
    this.#options = options;
    this.limited = options.limited;
  }

  /** nats-server gave the message up. */
  tell(seq: number): void {
    this.#told.add(seq);
  }

  /** Moves what is found; a later look finds the rest. E_STREAM_FULL E_FOREIGN_STREAM E_NATS */
  async look(): Promise<void> {
    const { stream, group } = this.limited;
    const consumers = (await this.#consumers()).filter(readsMessages);
    const own = consumers.find(({ name }) => name === group.name);
    if (own === undefined) return;
    await this.#openTarget();
    const others = consumers.filter((each) => each !== own).map(settledUpTo);
    const othersUpTo = Math.min(Number.MAX_SAFE_INTEGER, ...others);
    const mayDelete = (seq: number): boolean => seq <= othersUpTo;
    await this.#relocation?.settle(mayDelete);
    // with one delivery allowed none is ever a second one
    if (own.num_redelivered === 0 && this.limited.group.maxDeliver > 1) return this.#forget();
    const found = [...(await this.#readTold()), ...(await this.#scan(Math.min(settledUpTo(own), othersUpTo)))];
    const dead = found.filter(({ seq }, at) => found.findIndex((each) => each.seq === seq) === at);
    if (dead.length > 0) await this.#bury(dead, mayDelete);
    else if (this.#isFloorStuck(own)) await this.#pauseAndLook();
    if (dead.length > 0) this.#options.log.warn({ event: 'group.dead', stream, messages: dead.length }, 'given up');
  }

  #forget(): void {
    this.#told.clear();
    this.#seen.clear();
  }

  #consumers(): Promise<ConsumerInfo[]> {
    const { stream } = this.limited;
    return natsCall(`consumers of ${stream}`, async () => {
      const all: ConsumerInfo[] = [];
      for await (const info of this.#options.jsm.consumers.list(stream)) all.push(info);
      return all;
    });
  }

  /** The target as an earlier life left it; it is made when the first message dies. */
  async #openTarget(): Promise<void> {
    if (this.#hasLooked) return;
    const found = await findDeadStream(this.#options.jsm, this.limited);
    if (found !== null) this.#use(found);
    this.#hasLooked = true;
  }

  #use(target: DeadStream): Relocation {
    const { nc, jsm, macKey, terminalId } = this.#options;
    const { topic, stream: source, incarnation } = this.limited;
    const flow: Flow = { originId: terminalId, topicId: topic.id, incarnation };
    if (this.#target?.incarnation !== target.incarnation || this.#relocation === undefined) {
      this.#relocation = new Relocation({ nc, jsm, macKey, flow, source, target });
    }
    this.#target = target;
    return this.#relocation;
  }

  async #readTold(): Promise<StoredMessage[]> {
    const found: StoredMessage[] = [];
    for (const seq of [...this.#told].sort((a, b) => a - b).slice(0, scanMessages)) {
      const [message] = await directGet(this.#options.nc, this.limited.stream, { seq, batch: 1, max_bytes: scanBytes });
      if (message?.seq === seq) found.push(message);
      else this.#told.delete(seq);
    }
    return found.filter((message) => this.#isNews(message));
  }

  /** What lies behind every floor, and did at the last look too: what is acknowledged goes between the two. */
  async #scan(upTo: number): Promise<StoredMessage[]> {
    const behind: StoredMessage[] = [];
    for (let seq = 1; seq <= upTo && behind.length < scanMessages; ) {
      const request = { seq, batch: scanMessages, max_bytes: scanBytes };
      const got = await directGet(this.#options.nc, this.limited.stream, request);
      behind.push(...got.filter((message) => message.seq <= upTo && this.#isNews(message)));
      const last = got.at(-1);
      if (last === undefined) break;
      seq = last.seq + 1;
    }
    const known = this.#seen;
    this.#seen = new Set(behind.map(({ seq }) => seq));
    return behind.filter(({ seq }) => known.has(seq));
  }

  #isNews({ seq, subject }: StoredMessage): boolean {
    const isMessage = subject === this.limited.topic.name || subject.startsWith(`${this.limited.topic.name}.`);
    return isMessage && !(this.#relocation?.isCopied(seq) ?? false);
  }

  async #bury(dead: readonly StoredMessage[], mayDelete: (seq: number) => boolean): Promise<void> {
    const relocation = this.#use(await ensureDeadStream(this.#options.jsm, this.limited));
    await relocation.settle(mayDelete);
    for (const batch of inBatches(dead.filter(({ seq }) => !relocation.isCopied(seq)))) {
      const moved = await relocation.move(
        batch.map((message) => this.#toMoving(message)),
        mayDelete,
      );
      this.#options.onDead(moved);
      for (const { seq } of batch.slice(0, moved)) this.#told.delete(seq);
      if (moved < batch.length) throw new BusError('E_STREAM_FULL', `${this.#target?.name} is full`);
    }
  }

  #toMoving(message: StoredMessage): Moving {
    const { topic, group } = this.limited;
    const { subject, lines } = dressLetter(topic.name, message.subject, 'maxDeliver', group.maxDeliver);
    return {
      seq: message.seq,
      subject: (this.#target?.arrivalPrefix ?? '') + subject,
      headerLines: wayLines(message, this.#options.terminalId) + lines,
      payload: message.payload,
    };
  }

  /** Longer than a message can be on its way to consumers, while something always is. */
  #isFloorStuck(own: ConsumerInfo): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const seq = own.ack_floor.stream_seq;
    if (seq !== this.#floor.seq || own.num_ack_pending === 0) this.#floor = { seq, sinceMs: nowMs };
    const { ackWaitMs, maxDeliver } = this.limited.group;
    const patienceMs = Math.max(ackWaitMs * maxDeliver + pauseMarginMs, backoffMs(this.#pauses, 1_000, maxRestMs));
    return nowMs - this.#floor.sinceMs > patienceMs;
  }

  /** Pauses deliveries until nothing is under way, at most for one ack wait; nats-server resumes them if this process dies. */
  async #pauseAndLook(): Promise<void> {
    const { jsm, clock, log } = this.#options;
    const { stream, group } = this.limited;
    this.#pauses += 1;
    this.#floor.sinceMs = clock.monotonicMs();
    const untilMs = clock.monotonicMs() + group.ackWaitMs + pauseMarginMs;
    const until = new Date(Date.now() + group.ackWaitMs + pauseMarginMs);
    log.info({ event: 'group.paused', stream }, 'deliveries pause while messages given up are looked for');
    await natsCall(`pause ${stream}`, () => jsm.consumers.pause(stream, group.name, until));
    try {
      while (clock.monotonicMs() < untilMs) {
        const info = await natsCall(`consumer of ${stream}`, () => jsm.consumers.info(stream, group.name));
        if (info.num_ack_pending === 0) return await this.#lookWhilePaused(info);
        await clock.sleep(100);
      }
    } finally {
      await natsCall(`resume ${stream}`, () => jsm.consumers.resume(stream, group.name));
    }
  }

  /** Nothing is under way: what was delivered and is still there was given up. */
  async #lookWhilePaused({ delivered }: ConsumerInfo): Promise<void> {
    const upTo = Math.min(delivered.stream_seq, ...(await this.#othersSettled()));
    await this.#scan(upTo);
    const dead = await this.#scan(upTo);
    if (dead.length > 0) await this.#bury(dead, (seq) => seq <= upTo);
  }

  async #othersSettled(): Promise<number[]> {
    const others = (await this.#consumers()).filter(({ name }) => name !== this.limited.group.name);
    return others.filter(readsMessages).map(settledUpTo);
  }
}

/** Everything up to here is acknowledged or given up. */
function settledUpTo({ num_ack_pending: pending, delivered, ack_floor: floor }: ConsumerInfo): number {
  return pending === 0 ? delivered.stream_seq : floor.stream_seq;
}

/** Not one that only has interest in markers. */
function readsMessages({ config }: ConsumerInfo): boolean {
  const filters = config.filter_subjects ?? (config.filter_subject === undefined ? [] : [config.filter_subject]);
  return filters.length === 0 || filters.some((filter) => !filter.startsWith('_mb.'));
}

function inBatches(messages: readonly StoredMessage[]): StoredMessage[][] {
  const batches: StoredMessage[][] = [];
  let bytes = 0;
  for (const message of messages) {
    const current = batches.at(-1);
    const size = message.payload.length + (message.headers?.length ?? 0);
    if (current === undefined || bytes + size > copyBytes) {
      batches.push([message]);
      bytes = size;
    } else {
      current.push(message);
      bytes += size;
    }
  }
  return batches;
}
