/**
 * A cursor: one durable read position on a capture stream and the duties it serves - which group, at which terminal,
 * over which sequences. It reads, cuts shipments, hands them to the next stage and acknowledges the durable up to what
 * every duty has receipted, never further.
 *
 * Its only recovery is `rewind`: reset the durable to its ack floor and read again. Receipts already in hand let it pass
 * over what has arrived; what the destination has without our knowing is left out there. So a lost reply, a lost link, a
 * restart of the server and a restart of this process are one case.
 *
 *   closed ──open──▶ waiting ──every duty reachable──▶ starting ──▶ reading ──lost, refused, unreachable──▶ waiting
 *                       └──────────── close ───────────────┘ (any state)
 */
import type { Clock } from '../clock.ts';
import { MAX_MESSAGES, type RangeSet } from '../envelope/index.ts';
import { BusError, codedText } from '../errors.ts';
import type { Logger } from '../log.ts';
import { soon } from '../soon.ts';
import { Company } from './company.ts';
import { type DispatchOptions, dispatch } from './dispatch.ts';
import { boundaryAfter, type Duty, isDue } from './duty.ts';
import { Flight, type InFlight } from './flight.ts';
import { Laggards } from './laggards.ts';
import { type CapturedMessage, PullReader, type PullReaderOptions } from './pull-reader.ts';
import { ReceiptWatch } from './receipt-watch.ts';
import { Receipted } from './receipted.ts';
import { Rest } from './rest.ts';
import { SentReserve } from './sent-reserve.ts';
import type { ShipProgress, Shipper } from './shipper.ts';

export type CursorState = 'closed' | 'waiting' | 'starting' | 'reading';

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
  noteRead: (seq: number) => void;
  saveSent: (sentUpTo: number) => Promise<void>;
  /** it stopped reading, or a duty ended: the owner may want to move duties */
  onTrouble: () => void;
}

const pullBytes = 2 * 1024 * 1024;
export class Cursor {
  readonly durable: string;
  readonly #options: CursorOptions;
  readonly #reader: PullReader;
  readonly #done = new Receipted();
  readonly #flight = new Flight();
  readonly #laggards = new Laggards();
  /** groups that their terminal says are gone, and how it put it, until the configuration says so too */
  readonly #gone = new Map<string, string>();
  #duties: Duty[];
  #state: CursorState = 'closed';
  #readPosition = 0;
  #sentUpTo: number;
  readonly #reserve: SentReserve;
  readonly #dispatch: DispatchOptions;
  #isHeld = false;
  readonly #company = new Company(() => this.#pump());
  readonly #rest = new Rest(() => this.reconsider());
  #generation = 0;
  #reason = '';
  readonly #queuePump = soon(() => this.#pump());
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
      isReceipted: (duty, seq) => this.#done.has(duty, seq),
    };
    this.#reader = new PullReader({
      nc: options.nc,
      stream: options.stream,
      durable: options.durable,
      pullBytes: () =>
        Math.max(pullBytes, options.shipper.maxShipmentBytes() + 65_536, options.largestMessageBytes() + 65_536),
      onWake: this.#queuePump,
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
    return this.#done.floor;
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

  /** Whether every duty has an end and all of it is receipted. */
  get isFinished(): boolean {
    return this.#duties.every((duty) => duty.until !== null && this.groupFloor(duty.groupId) >= duty.until);
  }

  /** Receipted without a gap for this group up to here. */
  groupFloor(groupId: string): number {
    return this.#done.groupFloor(groupId);
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
    this.#rest.end();
    this.#company.stop();
    this.#reader.stop();
    this.#flight.forget();
  }

  /** While held nothing new is read, so that the owner can move duties between cursors. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.#queuePump();
  }

  /** Replaces the duties, with what is receipted already for those that are new here. */
  setDuties(duties: Duty[], receipted: ReadonlyMap<string, RangeSet> = new Map()): void {
    this.#duties = duties;
    this.#done.keep(duties, receipted);
    for (const groupId of this.#gone.keys()) {
      if (!duties.some((duty) => duty.groupId === groupId)) this.#gone.delete(groupId);
    }
    this.#settle();
    this.reconsider();
  }

  /** What is receipted for each of the duties' groups, for another cursor that takes them over. */
  receipted(duties: readonly Duty[]): Map<string, RangeSet> {
    return this.#done.copy(duties);
  }

  /** Takes a verified receipt; sequences that this duty never sent do not count. */
  receive(groupId: string, terminalId: string, received: RangeSet): void {
    const duty = this.#duties.find((each) => each.groupId === groupId && each.terminalId === terminalId);
    if (duty === undefined) return;
    if (this.#done.take(duty, received, this.sentUpTo)) this.#receipts.moved(groupId);
    this.#rest.succeeded();
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
    return this.#duties.filter((duty) => this.#laggards.isSlow(duty));
  }

  /** What is known of sends elsewhere, when another cursor's duties come here. */
  raiseSent(sentUpTo: number): void {
    this.#sentUpTo = Math.max(this.#sentUpTo, sentUpTo);
  }

  /** Called on a change of reachability, and every half second. */
  reconsider(): void {
    this.#laggards.sample(this.#duties, this.#flight, this.#state === 'reading', (id) => this.groupFloor(id));
    if (this.#state === 'waiting') {
      if (!this.#rest.isOn) void this.#tryRead();
      return;
    }
    if (this.#state !== 'reading') return;
    const blocked = this.unreachable();
    if (blocked.length > 0) this.#fail(new BusError('E_LINK_DOWN', 'no path to a terminal'));
    const { oldest } = this.#flight;
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

  async #tryRead(): Promise<void> {
    const blocked = this.unreachable();
    if (blocked.length > 0) {
      this.#reason = 'E_LINK_DOWN: no path';
      return;
    }
    this.#generation += 1;
    const generation = this.#generation;
    this.#state = 'starting';
    try {
      const floor = await this.#reader.start(async (deliveredUpTo) => {
        if (deliveredUpTo <= this.#sentUpTo) return;
        await this.#options.saveSent(deliveredUpTo);
        this.#sentUpTo = deliveredUpTo;
      });
      if (generation !== this.#generation) return this.#reader.stop();
      this.#done.startAt(floor, this.#duties);
      // a killed nats-server forgets what it delivered last; this process does not forget what it sent of that
      this.#sentUpTo = this.sentUpTo;
      this.#readPosition = floor;
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
    this.#reader.pause();
    this.#flight.forget();
    this.#retryLater(error);
    this.#options.onTrouble();
  }

  #retryLater(error: unknown): void {
    const { waitMs, isNews } = this.#rest.begin(error);
    this.#state = 'waiting';
    this.#reason = codedText(error);
    const fields = { event: 'capture.rewind', durable: this.durable, reason: this.#reason, waitMs };
    this.#options.log[isNews ? 'info' : 'debug'](fields, 'reads again');
  }

  /** Cuts and ships while the window has room; a partial shipment waits a moment while others are under way. */
  #pump(): void {
    while (this.#state === 'reading' && !this.#isHeld && this.#flight.hasRoom && this.#isWorthShipping()) {
      if (!this.#cut()) return;
    }
  }

  #isWorthShipping(): boolean {
    const { size, queuedBytes } = this.#reader;
    if (size === 0) return false;
    const isFull = size >= MAX_MESSAGES || queuedBytes >= this.#options.shipper.maxShipmentBytes();
    if (!isFull && !this.#flight.isStored && !this.#company.isOver) return false;
    this.#company.end();
    return true;
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
    this.#options.noteRead(last);
    const owed = this.#duties.filter((duty) => isDue(duty, first, last) && !this.#done.covers(duty, { first, last }));
    const entry: InFlight = {
      first,
      last,
      count: taken.length,
      ackSubject: lastTaken?.ackSubject,
      storedAtMs: undefined,
      unstoredAt: new Set(owed.map((duty) => duty.terminalId)),
    };
    this.#flight.add(entry);
    if (owed.length === 0) this.#settle();
    else this.#ship(entry, taken, owed);
    return true;
  }

  /** Nothing of the entry has to travel. */
  #pass(entry: InFlight, duties: readonly Duty[]): void {
    for (const duty of duties) this.#done.add(duty, entry);
    this.#settle();
  }

  #ship(entry: InFlight, taken: readonly CapturedMessage[], duties: readonly Duty[]): void {
    const generation = this.#generation;
    const bytes = taken.reduce((sum, message) => sum + message.size, 0);
    const arrive = this.#flight.leave(bytes);
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
        arrive();
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
    return duty !== undefined && !this.#done.covers(duty, { first, last });
  }

  /** Another cursor may still owe a group what is below this one's floor; nobody may take that for done. */
  #floorFor(duties: readonly Duty[]): number {
    return Math.min(this.floor, ...duties.map(({ groupId }) => this.#options.floorOf(groupId)));
  }

  /** Moves the floor over what every duty has receipted and acknowledges the durable up to there. */
  #settle(): void {
    const landed = this.#flight.land((span) => this.#done.isSettled(this.#duties, span));
    if (landed === undefined) return;
    this.#done.raiseFloor(landed.last);
    if (landed.ackSubject !== undefined) this.#options.nc.publish(landed.ackSubject, '+ACK');
    if (this.isFinished) this.#options.onTrouble();
  }
}
