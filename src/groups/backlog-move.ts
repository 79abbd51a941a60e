/**
 * The fenced move of one group's backlog from this terminal to another terminal of the group.
 *
 * The durable is paused first, so nobody here gets a message while a copy of it may be under way; the copy travels like
 * any other flow, and a message is deleted here only after the other terminal's signed receipt for it. What was with a
 * consumer when the pause began is left alone until it is acknowledged or its ack wait is over. Every step is stored
 * before it is taken: killed anywhere, the next life sends the same sequences of the same flow again, and the other
 * terminal leaves out what it has.
 *
 *   idle ──wish──▶ fenced ──batch stored──▶ sent ──receipt, deleted──▶ fenced ──no wish──▶ idle (resumed)
 *
 * What may be at the other terminal waits for its receipt even when the wish is gone: once is kept, availability waits.
 */
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { backoffMs } from '../backoff.ts';
import type { CapturedMessage, Shipper } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import { isReleased } from '../delivery/index.ts';
import { MAX_MESSAGES, RangeSet, type Receipt } from '../envelope/index.ts';
import { BusError, codedText } from '../errors.ts';
import type { Logger } from '../log.ts';
import { natsCall } from '../nats/index.ts';
import { deleteBacklog, readBacklog } from './backlog-reader.ts';
import { joined, type MoveState, type OpenMove, readMoveState, saveMoveState } from './move-state.ts';
import { deleteReturned, passOver } from './returned.ts';

export interface BacklogMoveOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  stream: string;
  /** the durable its consumers share */
  durable: string;
  topic: string;
  groupId: string;
  /** how long a delivered message may be with a consumer, milliseconds */
  ackWaitMs: () => number;
  /** how long the server's account of deliveries is known to be whole: a killed server forgets the last ones */
  serverSeenMs: () => number;
  createShipper: (incarnation: string) => Shipper;
  /** one writer of the durable's configuration at a time */
  exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  onMoved: (messages: number) => void;
  /** the terminal was removed or given up: what may be there is waited for no longer */
  isGone: (terminalId: string) => boolean;
  clock: Clock;
  log: Logger;
}

/** Far enough: only the end of a move resumes the durable. */
const pauseMs = 30 * 365 * 24 * 3_600_000;
const pollMs = 500;
const settleMarginMs = 1_000;
/** any message may be with a consumer */
const unknown = Number.MAX_SAFE_INTEGER;

export class BacklogMove {
  readonly #options: BacklogMoveOptions;
  #state: MoveState | undefined;
  #shipper: Shipper | undefined;
  #wish: string | null = null;
  #received = new RangeSet();
  #isRunning = false;
  #isClosed = false;
  #reason = '';
  /** when the durable was paused, in this life */
  #fencedAtMs: number | undefined;
  #lastProgressMs = 0;
  #isSettled = false;
  #wake: (() => void) | undefined;

  constructor(options: BacklogMoveOptions) {
    this.#options = options;
  }

  /** Whether the durable is paused, or about to be. */
  get isActive(): boolean {
    return this.#isRunning;
  }

  /** The flow's incarnation, once known. */
  get incarnation(): string | undefined {
    return this.#state?.incarnation;
  }

  /** What it does or waits for, in plain words; empty when idle. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether something may be at the other terminal that is here too. */
  get isSending(): boolean {
    return (this.#state?.move?.sent ?? null) !== null;
  }

  /** Messages that may be at the other terminal and are here too, at most. */
  get sentMessages(): number {
    const sent = this.#state?.move?.sent ?? null;
    return sent === null ? 0 : sent.last - sent.first + 1;
  }

  get targetId(): string | null {
    return this.#state?.move?.targetId ?? null;
  }

  /** Finds what an earlier life left; goes on with it at once. */
  open(info: ConsumerInfo): void {
    if (this.#state !== undefined) return;
    this.#state = readMoveState(info);
    if (this.#state.move !== null) this.#start();
  }

  /** The terminal the backlog should go to, null when it should stay; asked again every second. */
  want(targetId: string | null): void {
    this.#wish = targetId;
    if (targetId !== null && this.#state !== undefined) this.#start();
    this.#wake?.();
  }

  /** Takes a verified receipt of this flow. */
  receive(receipt: Receipt): void {
    const isOurs = receipt.groupId === this.#options.groupId && receipt.terminalId === this.targetId;
    if (!isOurs || receipt.status !== 'stored') return;
    this.#received = receipt.received;
    this.#wake?.();
  }

  /** Stops where it stands; the durable stays paused and the next life goes on. */
  close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }

  #start(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    const { log, stream } = this.#options;
    for (let failures = 0; !this.#isClosed; ) {
      try {
        await this.#move();
        break;
      } catch (error) {
        if (this.#isClosed) break;
        failures += 1;
        this.#reason = codedText(error);
        log[failures === 1 ? 'warn' : 'debug']({ event: 'move.waits', stream, err: error }, 'a move waits');
        await this.#wait(backoffMs(failures, 100, 5_000));
      }
    }
    this.#isRunning = false;
  }

  /** From the fence to its end; may be run again after any failure. */
  async #move(): Promise<void> {
    const left = await this.#fence();
    if (left === null) return;
    const { log, stream } = this.#options;
    log.info({ event: 'move.begins', stream, to: left.targetId }, 'a backlog moves to another terminal');
    const watch = this.#watchProgress();
    try {
      await this.#finishSent();
      while (!this.#isClosed && this.#wish !== null) {
        if ((await this.#moveNext()) === 0) await this.#wait(pollMs);
      }
    } finally {
      watch.unsubscribe();
    }
    if (!this.#isClosed) await this.#end();
  }

  /** Stores the intent, pauses the durable and learns what is with consumers. Null when nothing is to be done. */
  async #fence(): Promise<OpenMove | null> {
    const { jsm, stream, durable, clock } = this.#options;
    const state = this.#needState();
    if (state.move === null) {
      if (this.#wish === null) return null;
      await this.#save({ targetId: this.#wish, deliveredUpTo: null, sent: null, moved: null });
    }
    this.#reason = 'its backlog is about to move';
    await natsCall(`pause ${stream}`, () => jsm.consumers.pause(stream, durable, new Date(Date.now() + pauseMs)));
    this.#fencedAtMs ??= clock.monotonicMs();
    const move = this.#needMove();
    if (move.deliveredUpTo !== null) return move;
    const info = await this.#info();
    const isKnown = this.#options.serverSeenMs() > this.#options.ackWaitMs() + settleMarginMs;
    const deliveredUpTo = isKnown || this.#hasSettled(info) ? info.delivered.stream_seq : unknown;
    return this.#save({ ...move, deliveredUpTo });
  }

  /** What an earlier step sent is settled before anything else is. */
  async #finishSent(): Promise<void> {
    const { sent } = this.#needMove();
    if (sent === null) return;
    const { first, last } = sent;
    const messages = await this.#read(first, last, MAX_MESSAGES);
    const hasMoved = messages.length === 0 || (await this.#transfer(first, last, 0, messages));
    await this.#saveOutcome(first, last, hasMoved);
  }

  async #saveOutcome(first: number, last: number, hasMoved: boolean): Promise<void> {
    const move = this.#needMove();
    await this.#save({ ...move, sent: null, moved: hasMoved ? joined(move.moved, { first, last }) : move.moved });
  }

  /** Moves one batch; resolves with the number of messages, 0 when nothing can move now. */
  async #moveNext(): Promise<number> {
    const { targetId, deliveredUpTo } = this.#needMove();
    await this.#settle();
    if (!this.#isSettled && deliveredUpTo === unknown) return this.#idle('waits for its consumers');
    const from = this.#isSettled ? 1 : (deliveredUpTo ?? 0) + 1;
    const wish = this.#wish ?? targetId;
    const shipper = this.#needShipper();
    if (!shipper.isReachable(wish)) return this.#idle('no path to the terminal its backlog goes to');
    const messages = await this.#read(from, Number.MAX_SAFE_INTEGER, MAX_MESSAGES);
    const first = messages[0]?.seq;
    const last = messages.at(-1)?.seq;
    if (first === undefined || last === undefined) return this.#idle(this.#isSettled ? '' : 'waits for its consumers');
    this.#reason = 'its backlog moves';
    if (wish !== targetId) this.#received = new RangeSet();
    await this.#save({ ...this.#needMove(), targetId: wish, sent: { first, last } });
    const hasMoved = await this.#transfer(first, last, this.#isSettled ? first - 1 : 0, messages);
    if (hasMoved) this.#options.onMoved(messages.length);
    await this.#saveOutcome(from, last, hasMoved);
    return messages.length;
  }

  #idle(reason: string): number {
    this.#reason = reason;
    return 0;
  }

  /** Sends until the receipt is back, then deletes; false when the other terminal was given up: what it has may come twice. */
  async #transfer(first: number, last: number, floor: number, messages: readonly CapturedMessage[]): Promise<boolean> {
    const { groupId, nc, stream, log, isGone } = this.#options;
    const shipper = this.#needShipper();
    const terminalId = this.#needMove().targetId;
    for (let attempt = 1; !this.#received.covers(first, last); attempt++) {
      this.#requireOpen();
      if (isGone(terminalId)) {
        log.warn(
          { event: 'move.given-up', stream, first, last, was: terminalId },
          'what a lost terminal may have stays here too',
        );
        return false;
      }
      try {
        await shipper.ship(
          { first, last, floor, messages, duties: [{ groupId, terminalId, since: 0 }] },
          this.#progress,
        );
        await this.#untilReceipt(first, last, attempt);
      } catch (error) {
        this.#reason = codedText(error);
        log.debug({ event: 'move.again', stream, first, last, err: error }, 'a batch is sent again');
        await this.#wait(backoffMs(attempt, 100, 5_000));
      }
    }
    await this.#untilReleased(last);
    const seqs = messages.map(({ seq }) => seq);
    await deleteBacklog(nc, stream, seqs);
    return true;
  }

  readonly #progress = {
    stored: (): void => undefined,
    waiting: (reason: string): void => {
      this.#reason = reason;
    },
    isWanted: (): boolean => !this.#isClosed,
  };

  #requireOpen(): void {
    if (this.#isClosed) throw new BusError('E_NOT_YET', 'the terminal stops; its next life goes on with the move');
  }

  /** Until the stream's place in its feed depends on none of them. */
  async #untilReleased(last: number): Promise<void> {
    const { jsm, stream } = this.#options;
    while (!(await isReleased(jsm, stream, last))) {
      this.#requireOpen();
      await this.#wait(pollMs);
    }
  }

  /** Until the receipt, or until it is overdue; the way there may change meanwhile. */
  async #untilReceipt(first: number, last: number, attempt: number): Promise<void> {
    const { clock } = this.#options;
    const storedAtMs = clock.monotonicMs();
    const factor = 2 ** Math.min(4, attempt - 1);
    while (!this.#isClosed && !this.#received.covers(first, last)) {
      const nowMs = clock.monotonicMs();
      const terms = this.#needShipper().receiptTerms(this.#needMove().targetId);
      if (nowMs - Math.max(storedAtMs, terms.changedAtMs) > terms.patienceMs * factor) {
        this.#needShipper().noReceipt(this.#needMove().targetId);
        return;
      }
      const isAstray = storedAtMs < terms.brokenAtMs && terms.patienceMs < Number.POSITIVE_INFINITY;
      if (isAstray && nowMs - terms.changedAtMs > terms.shortPatienceMs) return;
      await this.#wait(pollMs);
    }
  }

  /** Whether what was with consumers at the fence is settled: acknowledged, or its ack wait is over. */
  async #settle(): Promise<void> {
    if (this.#isSettled) return;
    const { jsm, stream, clock, ackWaitMs } = this.#options;
    const info = await this.#info();
    const quietMs = clock.monotonicMs() - Math.max(this.#fencedAtMs ?? Number.POSITIVE_INFINITY, this.#lastProgressMs);
    const isOver = this.#hasSettled(info) || quietMs > ackWaitMs() + settleMarginMs;
    // what the feed's keeper still holds may be acknowledged and here all the same
    this.#isSettled = isOver && (await isReleased(jsm, stream, info.delivered.stream_seq));
  }

  #hasSettled(info: ConsumerInfo): boolean {
    return info.num_ack_pending === 0 && this.#options.serverSeenMs() > this.#options.ackWaitMs() + settleMarginMs;
  }

  /** A consumer that says it still works on a message keeps its ack wait from ending. */
  #watchProgress(): { unsubscribe(): void } {
    const { nc, stream, durable, clock } = this.#options;
    return nc.subscribe(`$JS.ACK.${stream}.${durable}.>`, {
      callback: (error, message) => {
        if (error === null && message.string().startsWith('+WPI')) this.#lastProgressMs = clock.monotonicMs();
      },
    });
  }

  /** Lets consumers here have what is left. */
  async #end(): Promise<void> {
    const { nc, jsm, stream, durable, topic, log } = this.#options;
    const place = { nc, jsm, stream, durable, topic, maxBytes: this.#needShipper().maxShipmentBytes() };
    const { moved } = this.#needMove();
    const returned = moved === null ? 0 : await deleteReturned(place, moved);
    if (returned > 0) log.warn({ event: 'move.returned', stream, messages: returned }, 'what had moved was here again');
    // what is with a consumer keeps its place
    if (this.#isSettled) await passOver(place);
    await natsCall(`resume ${stream}`, () => jsm.consumers.resume(stream, durable));
    await this.#save(null);
    this.#fencedAtMs = undefined;
    this.#isSettled = false;
    this.#reason = '';
    log.info({ event: 'move.ended', stream }, 'a backlog has moved; consumers go on');
  }

  #read(from: number, until: number, maxMessages: number): Promise<CapturedMessage[]> {
    const { nc, stream, topic } = this.#options;
    const maxBytes = this.#needShipper().maxShipmentBytes();
    return readBacklog(nc, { stream, topic, from, until, maxMessages, maxBytes });
  }

  #info(): Promise<ConsumerInfo> {
    const { jsm, stream, durable } = this.#options;
    return natsCall(`consumer of ${stream}`, () => jsm.consumers.info(stream, durable));
  }

  async #save<T extends OpenMove | null>(move: T): Promise<T> {
    const { jsm, stream, durable, exclusively } = this.#options;
    const next = { ...this.#needState(), move };
    await exclusively(() => saveMoveState(jsm, { stream, durable }, next));
    this.#state = next;
    return move;
  }

  #needState(): MoveState {
    if (this.#state !== undefined) return this.#state;
    throw new BusError('E_INTERNAL', 'a move was used before it was opened');
  }

  #needMove(): OpenMove {
    const { move } = this.#needState();
    if (move !== null) return move;
    throw new BusError('E_INTERNAL', 'a step of a move was taken without one');
  }

  #needShipper(): Shipper {
    this.#shipper ??= this.#options.createShipper(this.#needState().incarnation);
    return this.#shipper;
  }

  #wait(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
