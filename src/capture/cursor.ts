/**
 * A cursor: one durable read position on a capture stream and the duties it serves - which group, at which terminal,
 * over which sequences. It reads, cuts shipments, hands them to the next stage and acknowledges the durable up to what
 * every duty has receipted, never further.
 *
 * Its only recovery is `rewind`: reset the durable to its ack floor and read again. Receipts already in hand let it pass
 * over what has arrived; what the destination has without our knowing is left out there. So a lost reply, a lost link, a
 * restart of the server and a restart of this process are one case.
 *
 *   closed ──open──▶ waiting ──every duty reachable──▶ reading ──lost, refused, unreachable──▶ waiting
 *                       └──────────── close ───────────────┘ (any state)
 */

import { backoffMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { MAX_MESSAGES, RangeSet } from '../envelope/index.ts';
import { BusError, errorText, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type DispatchOptions, dispatch } from './dispatch.ts';
import { boundaryAfter, type Duty, isDue } from './duty.ts';
import { type CapturedMessage, PullReader, type PullReaderOptions } from './pull-reader.ts';
import { ReceiptWatch } from './receipt-watch.ts';
import { SentReserve } from './sent-reserve.ts';
import type { ShipProgress, Shipper } from './shipper.ts';

export type CursorState = 'closed' | 'waiting' | 'reading';

export interface CursorOptions {
  nc: PullReaderOptions['nc'];
  stream: string;
  durable: string;
  duties: Duty[];
  /** nothing above this was ever sent from this cursor, as far as stored state tells */
  sentUpTo: number;
  /** what is stored allows sending up to here */
  reservedUpTo: number;
  shipper: Shipper;
  clock: Clock;
  log: Logger;
  /** the largest message of the stream: a pull asks for no less */
  largestMessageBytes: () => number;
  /** up to where a group has receipted everything, whichever cursors serve it */
  floorOf: (groupId: string) => number;
  /** resolves once it is stored that the groups' terminals were never sent what ends here */
  noteUnsent: (groupIds: readonly string[], last: number) => Promise<void>;
  /** stores how far this cursor may have sent: before it sends further, and before that knowledge is lost */
  saveSent: (sentUpTo: number) => Promise<void>;
  /** it stopped reading, or a duty ended: the owner may want to move duties */
  onTrouble: () => void;
}

interface InFlight {
  first: number;
  last: number;
  count: number;
  ackSubject: string | undefined;
  /** when every next hop had stored it, undefined until then */
  storedAtMs: number | undefined;
  /** terminals whose next hop has not stored it yet */
  unstoredAt: Set<string>;
}

const maxUnstored = 16;
const maxUnstoredBytes = 16 * 1024 * 1024;
/** stays under the durable's max_ack_pending */
export const maxOutstandingMessages = 80_000;
/** how long a partial shipment waits for company while another is under way */
const companyMs = 1;
const pullBytes = 2 * 1024 * 1024;
/** samples in a row (half a second apart) before a duty counts as slow */
const slowStrikes = 2;

export class Cursor {
  readonly durable: string;
  readonly #options: CursorOptions;
  readonly #reader: PullReader;
  readonly #done = new Map<string, RangeSet>();
  /** groups that their terminal says are gone, and how it put it, until the configuration says so too */
  readonly #gone = new Map<string, string>();
  #duties: Duty[];
  #state: CursorState = 'closed';
  #floor = 0;
  #readPosition = 0;
  #sentUpTo: number;
  readonly #reserve: SentReserve;
  readonly #dispatch: DispatchOptions;
  #inFlight: InFlight[] = [];
  #outstanding = 0;
  #unstored = 0;
  #unstoredBytes = 0;
  #isHeld = false;
  #isPumpQueued = false;
  #companyTimer: NodeJS.Timeout | undefined;
  #isCompanyOver = false;
  #failures = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #generation = 0;
  #reason = '';
  readonly #strikes = new Map<string, number>();
  /** floors of groups when strikes were counted last */
  readonly #sampledFloors = new Map<string, number>();
  readonly #receipts: ReceiptWatch;

  constructor(options: CursorOptions) {
    this.durable = options.durable;
    this.#options = options;
    this.#duties = options.duties;
    this.#sentUpTo = options.sentUpTo;
    this.#receipts = new ReceiptWatch(options.clock);
    this.#reserve = new SentReserve(options.reservedUpTo, options.saveSent);
    this.#dispatch = {
      shipper: options.shipper,
      cover: (last) => this.#reserve.cover(last),
      noteUnsent: options.noteUnsent,
      floorFor: (duties) => this.#floorFor(duties),
      goneReason: (groupId) => this.#gone.get(groupId),
      isReceipted: (duty, seq) => this.#doneOf(duty).has(seq),
    };
    this.#reader = new PullReader({
      nc: options.nc,
      stream: options.stream,
      durable: options.durable,
      pullBytes: () =>
        Math.max(pullBytes, options.shipper.maxShipmentBytes() + 65_536, options.largestMessageBytes() + 65_536),
      onWake: () => this.#queuePump(),
      onLost: (reason) => this.#fail(new BusError('E_NATS', reason)),
    });
  }

  get duties(): readonly Duty[] {
    return this.#duties;
  }

  get state(): CursorState {
    return this.#state;
  }

  /** Every sequence up to here is receipted for every duty. */
  get floor(): number {
    return this.#floor;
  }

  /** Every sequence up to here was read and, where a duty wants it, sent. */
  get readPosition(): number {
    return this.#readPosition;
  }

  /** Nothing above this is under way from this cursor, not even from an earlier life of this process. */
  get sentUpTo(): number {
    return Math.max(this.#sentUpTo, this.#readPosition);
  }

  /** What must stand in stored state: a later life takes it that everything up to here may have been sent. */
  get reservedUpTo(): number {
    return Math.max(this.#reserve.upTo, this.sentUpTo);
  }

  /** Why it does not read, or what it waits for, in plain words; empty when it goes on. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether the window is full because some duty's receipts stay out. */
  get isWindowFull(): boolean {
    return this.#outstanding >= maxOutstandingMessages;
  }

  /** Whether every duty has an end and all of it is receipted. */
  get isFinished(): boolean {
    return this.#duties.every((duty) => duty.until !== null && this.groupFloor(duty.groupId) >= duty.until);
  }

  /** Receipted without a gap for this group up to here. */
  groupFloor(groupId: string): number {
    return Math.max(this.#done.get(groupId)?.mark ?? 0, this.#floor);
  }

  unreachable(): Duty[] {
    return this.#duties.filter((duty) => !this.#options.shipper.isReachable(duty.terminalId));
  }

  /** Starts reading as soon as every duty is reachable. */
  open(): void {
    if (this.#state !== 'closed') return;
    this.#state = 'waiting';
    void this.#tryRead();
  }

  /** Stops reading for good; what is under way is neither waited for nor acknowledged. */
  close(): void {
    this.#generation += 1;
    this.#state = 'closed';
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#companyTimer);
    this.#reader.stop();
    this.#forgetInFlight();
  }

  /** While held nothing new is read, so that the owner can move duties between cursors. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.#queuePump();
  }

  /** Replaces the duties, with what is receipted already for those that are new here. */
  setDuties(duties: Duty[], receipted: ReadonlyMap<string, RangeSet> = new Map()): void {
    this.#duties = duties;
    for (const duty of duties) {
      const known = receipted.get(duty.groupId);
      if (known !== undefined) this.#done.set(duty.groupId, known);
      this.#doneOf(duty);
    }
    for (const groupId of this.#done.keys()) {
      if (!duties.some((duty) => duty.groupId === groupId)) this.#done.delete(groupId);
    }
    for (const groupId of this.#gone.keys()) {
      if (!duties.some((duty) => duty.groupId === groupId)) this.#gone.delete(groupId);
    }
    this.#settle();
    this.reconsider();
  }

  receipted(groupId: string): RangeSet | undefined {
    return this.#done.get(groupId);
  }

  /** Takes a verified receipt; sequences that this duty never sent do not count. */
  receive(groupId: string, terminalId: string, received: RangeSet): void {
    const duty = this.#duties.find((each) => each.groupId === groupId && each.terminalId === terminalId);
    if (duty === undefined) return;
    const done = this.#doneOf(duty);
    const before = done.mark;
    const end = Math.min(duty.until ?? Number.MAX_SAFE_INTEGER, this.sentUpTo);
    for (const [first, last] of [[1, received.mark] as const, ...received.ranges]) {
      const from = Math.max(first, duty.from);
      const until = Math.min(last, end);
      if (from <= until) done.add(from, until);
    }
    if (done.mark > before) {
      this.#receipts.moved(groupId);
    }
    this.#failures = 0;
    this.#settle();
    this.#queuePump();
  }

  /** The terminal signed that it knows the group no more: what was sent, and what still comes for it, is parked. */
  gone(groupId: string, terminalId: string, reason: string): void {
    const isOurs = this.#duties.some((each) => each.groupId === groupId && each.terminalId === terminalId);
    if (!isOurs || this.#gone.has(groupId)) return;
    this.#gone.set(groupId, reason);
    this.#fail(new BusError('E_NOT_YET', `a group is gone: ${reason}`));
  }

  /** Duties that hold back the others of this cursor: the window is full and only they are behind. */
  slowDuties(): Duty[] {
    return this.#duties.filter((duty) => (this.#strikes.get(duty.groupId) ?? 0) >= slowStrikes);
  }

  /** What is known of sends elsewhere, when another cursor's duties come here. */
  raiseSent(sentUpTo: number): void {
    this.#sentUpTo = Math.max(this.#sentUpTo, sentUpTo);
  }

  /** Called on a change of reachability, and every half second. */
  reconsider(): void {
    this.#countStrikes();
    if (this.#state === 'waiting') {
      if (this.#retryTimer === undefined) void this.#tryRead();
      return;
    }
    if (this.#state !== 'reading') return;
    const blocked = this.unreachable();
    if (blocked.length > 0) {
      this.#fail(new BusError('E_LINK_DOWN', 'no path to a terminal'));
      return;
    }
    const oldest = this.#inFlight[0];
    if (oldest?.storedAtMs !== undefined) this.#checkReceipts(oldest, oldest.storedAtMs);
  }

  #checkReceipts({ first, last }: InFlight, storedAtMs: number): void {
    const { shipper, clock } = this.#options;
    const open = this.#duties.filter((duty) => isDue(duty, first, last) && this.groupFloor(duty.groupId) < last);
    const overdue = this.#receipts.overdue(storedAtMs, open, (id) => shipper.receiptTerms(id));
    if (overdue.length === 0) return;
    const silent = new Set(overdue.filter(({ isAstray }) => !isAstray).map(({ terminalId }) => terminalId));
    for (const terminalId of silent) shipper.noReceipt(terminalId);
    this.#receipts.timedOut();
    this.#fail(new BusError('E_TIMEOUT', `no receipt for ${Math.round(clock.monotonicMs() - storedAtMs)} ms`));
  }

  /** Reads again from the durable's ack floor: after a reconnect, or when an operator asks. */
  rewind(reason: string): void {
    if (this.#state !== 'reading') return;
    this.#reader.stop();
    this.#fail(new BusError('E_NATS', reason));
  }

  /** Half a second late once more, for every duty that holds back others or stands still beside one that moves. */
  #countStrikes(): void {
    const isFull = this.#state === 'reading' && !this.#hasRoom();
    const top = Math.max(0, ...this.#duties.map((duty) => this.groupFloor(duty.groupId)));
    const unstored = (duty: Duty): number =>
      this.#inFlight.filter((entry) => entry.unstoredAt.has(duty.terminalId)).length;
    const least = Math.min(...this.#duties.map(unstored));
    for (const duty of this.#duties) {
      const floor = this.groupFloor(duty.groupId);
      const isLate = top - floor > maxOutstandingMessages / 2 || unstored(duty) - least > maxUnstored / 2;
      const isStruck = (isFull && isLate) || this.#isStuck(duty);
      this.#strikes.set(duty.groupId, isStruck ? (this.#strikes.get(duty.groupId) ?? 0) + 1 : 0);
      this.#sampledFloors.set(duty.groupId, floor);
    }
  }

  /** Another group at the same terminal has what came with the same envelopes, and this one has stood still: it is full. */
  #isStuck(duty: Duty): boolean {
    const floor = this.groupFloor(duty.groupId);
    const isOvertaken = this.#duties.some(
      (other) => other.terminalId === duty.terminalId && this.groupFloor(other.groupId) > floor,
    );
    return this.#state === 'reading' && isOvertaken && this.#sampledFloors.get(duty.groupId) === floor;
  }

  #doneOf(duty: Duty): RangeSet {
    let done = this.#done.get(duty.groupId);
    if (done === undefined) {
      done = new RangeSet();
      this.#done.set(duty.groupId, done);
    }
    done.prune(Math.max(this.#floor, duty.from - 1));
    return done;
  }

  async #tryRead(): Promise<void> {
    const blocked = this.unreachable();
    if (blocked.length > 0) {
      this.#reason = 'no path';
      return;
    }
    this.#generation += 1;
    const generation = this.#generation;
    this.#retryTimer = setTimeout(() => {}, 0);
    try {
      const floor = await this.#reader.start(async (deliveredUpTo) => {
        if (deliveredUpTo <= this.#sentUpTo) return;
        await this.#options.saveSent(deliveredUpTo);
        this.#sentUpTo = deliveredUpTo;
      });
      if (generation !== this.#generation) return this.#reader.stop();
      this.#retryTimer = undefined;
      this.#floor = floor;
      this.#readPosition = floor;
      for (const duty of this.#duties) this.#doneOf(duty);
      this.#state = 'reading';
      this.#reason = '';
      this.#queuePump();
    } catch (error) {
      if (generation === this.#generation) this.#retryLater(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#state !== 'reading') return;
    this.#generation += 1;
    this.#state = 'waiting';
    this.#reader.pause();
    this.#forgetInFlight();
    this.#retryLater(error);
    this.#options.onTrouble();
  }

  #retryLater(error: unknown): void {
    this.#failures += 1;
    this.#reason = errorText(error);
    const isParked = isBusError(error) && error.disposition === 'park';
    const waitMs = isParked ? 5_000 : backoffMs(this.#failures, 50, 2_000);
    const level = this.#failures === 1 || isParked ? 'info' : 'debug';
    this.#options.log[level](
      { event: 'capture.rewind', durable: this.durable, reason: this.#reason, waitMs },
      'reads again',
    );
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      if (this.#state === 'waiting') void this.#tryRead();
    }, waitMs);
  }

  #forgetInFlight(): void {
    this.#inFlight = [];
    this.#outstanding = 0;
  }

  #queuePump(): void {
    if (this.#isPumpQueued) return;
    this.#isPumpQueued = true;
    setImmediate(() => {
      this.#isPumpQueued = false;
      this.#pump();
    });
  }

  /** Cuts and ships while the window has room; a partial shipment waits a moment while others are under way. */
  #pump(): void {
    while (this.#state === 'reading' && !this.#isHeld && this.#hasRoom() && this.#isWorthShipping()) {
      if (!this.#cut()) return;
    }
  }

  #hasRoom(): boolean {
    return (
      this.#unstored < maxUnstored &&
      this.#unstoredBytes < maxUnstoredBytes &&
      this.#outstanding < maxOutstandingMessages
    );
  }

  #isWorthShipping(): boolean {
    const { size, queuedBytes } = this.#reader;
    if (size === 0) return false;
    const isFull = size >= MAX_MESSAGES || queuedBytes >= this.#options.shipper.maxShipmentBytes();
    if (isFull || this.#unstored === 0 || this.#isCompanyOver) {
      this.#isCompanyOver = false;
      return true;
    }
    this.#companyTimer ??= setTimeout(() => {
      this.#companyTimer = undefined;
      this.#isCompanyOver = true;
      this.#pump();
    }, companyMs);
    return false;
  }

  /** Ships the next run of sequences; false when there was nothing. */
  #cut(): boolean {
    const first = this.#readPosition + 1;
    const boundary = boundaryAfter(this.#duties, first);
    const maxBytes = this.#options.shipper.maxShipmentBytes();
    const taken = this.#reader.take({ maxMessages: MAX_MESSAGES, maxBytes, lastSeq: boundary });
    const next = this.#reader.peekSeq();
    const lastTaken = taken.at(-1);
    const isAtBoundary = next !== undefined && next > boundary;
    if (lastTaken === undefined && !isAtBoundary) return false;
    const last = lastTaken === undefined || isAtBoundary ? boundary : lastTaken.seq;
    this.#readPosition = last;
    const owed = this.#duties.filter((duty) => isDue(duty, first, last) && !this.#doneOf(duty).covers(first, last));
    const entry: InFlight = {
      first,
      last,
      count: taken.length,
      ackSubject: lastTaken?.ackSubject,
      storedAtMs: undefined,
      unstoredAt: new Set(owed.map((duty) => duty.terminalId)),
    };
    this.#inFlight.push(entry);
    this.#outstanding += entry.count;
    if (owed.length === 0) this.#settle();
    else this.#ship(entry, taken, owed);
    return true;
  }

  /** Nothing of the entry has to travel. */
  #pass({ first, last }: InFlight, duties: readonly Duty[]): void {
    for (const duty of duties) this.#doneOf(duty).add(first, last);
    this.#settle();
  }

  #ship(entry: InFlight, taken: readonly CapturedMessage[], duties: readonly Duty[]): void {
    const generation = this.#generation;
    const bytes = taken.reduce((sum, message) => sum + message.size, 0);
    this.#unstored += 1;
    this.#unstoredBytes += bytes;
    const { first, last } = entry;
    dispatch(this.#dispatch, { first, last, messages: taken, duties }, this.#progressOf(entry, duties, generation))
      .then(
        (unsent) => {
          entry.storedAtMs = this.#options.clock.monotonicMs();
          if (unsent.length > 0 && generation === this.#generation) this.#pass(entry, unsent);
        },
        (error) => {
          if (generation === this.#generation) this.#fail(error);
        },
      )
      .finally(() => {
        this.#unstored -= 1;
        this.#unstoredBytes -= bytes;
        this.#queuePump();
      });
  }

  #progressOf({ first, last, unstoredAt }: InFlight, duties: readonly Duty[], generation: number): ShipProgress {
    return {
      stored: (terminalIds) => {
        for (const id of terminalIds) unstoredAt.delete(id);
      },
      waiting: (reason) => {
        if (generation === this.#generation) this.#reason = reason;
      },
      isWanted: (terminalId) =>
        generation === this.#generation &&
        duties.some((duty) => duty.terminalId === terminalId && this.#isOpen(duty, first, last)),
    };
  }

  /** Whether the group is still this cursor's and has no receipt for all of it. */
  #isOpen({ groupId, terminalId }: Duty, first: number, last: number): boolean {
    const duty = this.#duties.find((each) => each.groupId === groupId && each.terminalId === terminalId);
    return duty !== undefined && !this.#doneOf(duty).covers(first, last);
  }

  /** Another cursor may still owe a group what is below this one's floor; nobody may take that for done. */
  #floorFor(duties: readonly Duty[]): number {
    return Math.min(this.#floor, ...duties.map(({ groupId }) => this.#options.floorOf(groupId)));
  }

  /** Moves the floor over what every duty has receipted and acknowledges the durable up to there. */
  #settle(): void {
    let ackSubject: string | undefined;
    let settled = 0;
    for (const entry of this.#inFlight) {
      if (!this.#isReceipted(entry)) break;
      this.#floor = entry.last;
      ackSubject = entry.ackSubject ?? ackSubject;
      this.#outstanding -= entry.count;
      settled += 1;
    }
    if (settled === 0) return;
    this.#inFlight.splice(0, settled);
    if (ackSubject !== undefined) this.#options.nc.publish(ackSubject, '+ACK');
    for (const done of this.#done.values()) done.prune(this.#floor);
    if (this.isFinished) this.#options.onTrouble();
  }

  #isReceipted({ first, last }: InFlight): boolean {
    return this.#duties.every((duty) => !isDue(duty, first, last) || this.#doneOf(duty).covers(first, last));
  }
}
