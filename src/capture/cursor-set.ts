/**
 * All cursors of one capture stream: which groups share one (the pack), which go alone (the stragglers), and which
 * terminal each group's messages go to.
 *
 * A group's terminal is sticky. Sequences that may be under way to one terminal stay its duty, in a cursor of their own
 * when there are any; a new terminal begins after them, and the duty that says so is stored before the first send. Every
 * step creates interest before it gives any up, so a crash between two lines leaves a message with one duty too many
 * (the destination leaves out what it has), never with none.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Clock } from '../clock.ts';
import type { RangeSet } from '../envelope/index.ts';
import type { Logger } from '../log.ts';
import { inTurns, inTurnsOf } from '../turns.ts';
import type { CaptureStream } from './capture-stream.ts';
import { Cursor, type CursorOptions } from './cursor.ts';
import { type Duty, firstTerminalOf } from './duty.ts';
import { type GroupProgress, progressOf } from './group-progress.ts';
import { Rendezvous } from './rendezvous.ts';
import type { Shipper } from './shipper.ts';
import {
  createCursor,
  deleteCursor,
  listCursors,
  type StoredCursor,
  saveCursor,
  settleDoubles,
} from './stored-cursors.ts';
import { Strays } from './strays.ts';

export interface RemoteGroup {
  groupId: string;
  /** where a group that is new to this stream starts; null: with the next message */
  from: number | null;
}

export interface CursorSetOptions {
  nc: CursorOptions['nc'];
  jsm: JetStreamManager;
  stream: CaptureStream;
  shipper: Shipper;
  largestMessageBytes: () => number;
  /** the terminal that should serve the group from now on, given the one that serves it; null when there is none */
  choose: (groupId: string, current: string | null) => string | null;
  /** whether the group gives up what is under way to the terminal, because it stays away */
  isLost: (groupId: string, terminalId: string) => boolean;
  clock: Clock;
  log: Logger;
}

export class CursorSet {
  readonly #options: CursorSetOptions;
  readonly #cursors = new Map<string, Cursor>();
  readonly #inStep = inTurns();
  #isStepQueued = false;
  #isClosed = false;
  #isStarted = false;
  #readUpTo = 0;
  /** writes of a durable's metadata: an older account of the duties must not come after a newer one */
  readonly #inTurn = inTurnsOf<Cursor>();
  readonly #rendezvous: Rendezvous;
  readonly #strays: Strays;

  constructor(options: CursorSetOptions) {
    this.#options = options;
    this.#strays = new Strays(options.jsm, options.stream.name, options.clock);
    this.#rendezvous = new Rendezvous(options.clock);
  }

  /** Finds the cursors an earlier life left and settles what a crash left double; they read from `start` on. */
  open(): Promise<void> {
    return this.#exclusively(async () => {
      const stored = await listCursors(this.#options.jsm, this.#options.stream.name);
      const lastSeq = this.#options.stream.info.state.last_seq;
      for (const cursor of await settleDoubles(this.#options.jsm, this.#options.stream.name, stored)) {
        // nothing that was not captured yet can have been sent
        this.#add({ ...cursor, sentUpTo: Math.min(cursor.sentUpTo, lastSeq) }, cursor.sentUpTo);
      }
    });
  }

  start(): void {
    this.#isStarted = true;
    for (const cursor of this.#cursors.values()) cursor.open();
  }

  close(): void {
    this.#isClosed = true;
    for (const cursor of this.#cursors.values()) cursor.close();
    this.#cursors.clear();
  }

  /**
   * Brings the duties in line with the groups that are remote now. What is under way for another group goes on while the
   * group is there, and ends with it.
   */
  reconcile(groups: RemoteGroup[], isGroup: (groupId: string) => boolean): Promise<void> {
    return this.#exclusively(async () => {
      await this.#strays.remove((durable) => this.#cursors.has(durable));
      await this.#dropGroups(groups, isGroup);
      await this.#addGroups(groups);
    });
  }

  /**
   * Ends a group's duty at what may be under way already, because from now on it is served otherwise. `begin` creates
   * what serves it, from the given sequence or, when an earlier try got that far, from the one it answers with; only then
   * the duty ends. Resolves with what `begin` made, undefined when the group has no open duty here.
   */
  async retire<T extends { from: number }>(
    groupId: string,
    begin: (from: number) => Promise<T>,
  ): Promise<T | undefined> {
    let made: T | undefined;
    await this.#exclusively(async () => {
      for (const cursor of [...this.#cursors.values()]) {
        const duty = cursor.duties.find((each) => each.groupId === groupId && each.until === null);
        if (duty === undefined) continue;
        cursor.hold(true);
        try {
          made = await begin(cursor.sentUpTo + 1);
          const others = cursor.duties.filter((each) => each !== duty);
          await this.#save(cursor, [...others, { ...duty, until: made.from - 1 }]);
        } finally {
          cursor.hold(false);
        }
      }
    });
    return made;
  }

  receive(groupId: string, terminalId: string, received: RangeSet): void {
    for (const cursor of this.#cursors.values()) cursor.receive(groupId, terminalId, received);
  }

  /** No cursor of this life has read beyond this, also none that is gone. */
  get readUpTo(): number {
    return this.#readUpTo;
  }

  /** Stops for good, and stores that no destination is known to have had anything. */
  async disown(): Promise<void> {
    for (const cursor of this.#cursors.values()) cursor.close();
    await this.#exclusively(async () => {
      for (const cursor of this.#cursors.values()) {
        const duties = cursor.duties.map((duty) => ({ ...duty, since: 0 }));
        await this.#save(cursor, duties);
      }
    });
    this.close();
  }

  /** The terminal signed that it knows the group no more, so nothing for it will be receipted there. */
  gone(groupId: string, terminalId: string, reason: string): void {
    for (const cursor of this.#cursors.values()) cursor.gone(groupId, terminalId, reason);
  }

  progress(groupId: string): GroupProgress {
    return progressOf(groupId, this.#cursors.values());
  }

  /** How many cursors there are: 1 while every group keeps up. */
  get size(): number {
    return this.#cursors.size;
  }

  /** Called on a change of reachability and every half second. */
  tick(): void {
    for (const cursor of this.#cursors.values()) cursor.reconsider();
    this.#queueStep();
  }

  rewind(reason: string): void {
    for (const cursor of this.#cursors.values()) cursor.rewind(reason);
  }

  #queueStep(): void {
    if (this.#isStepQueued || this.#isClosed) return;
    this.#isStepQueued = true;
    const step = this.#exclusively(async () => {
      this.#isStepQueued = false;
      await this.#strays.remove((durable) => this.#cursors.has(durable));
      await this.#removeFinished();
      await this.#reassign();
      await this.#giveUpLost();
      await this.#splitOff('no path', (cursor) => firstTerminalOf(cursor.unreachable()));
      await this.#splitOff('slow', (cursor) => cursor.slowDuties());
      await this.#merge();
    });
    step.catch((error) => {
      const { log, stream } = this.#options;
      log.warn({ event: 'capture.step-failed', stream: stream.name, err: error }, 'cursors stay as they are for now');
    });
  }

  /** One structural change at a time. */
  #exclusively(step: () => Promise<void>): Promise<void> {
    return this.#inStep(async () => {
      if (!this.#isClosed) await step();
    });
  }

  #add(stored: StoredCursor, reservedUpTo = stored.sentUpTo): Cursor {
    const { nc, jsm, stream, shipper, largestMessageBytes, clock, log } = this.#options;
    const cursor: Cursor = new Cursor({
      nc,
      stream: stream.name,
      ...stored,
      reservedUpTo,
      shipper,
      largestMessageBytes,
      clock,
      log,
      saveSent: (sentUpTo) =>
        this.#inTurn(cursor, () =>
          saveCursor(jsm, stream.name, {
            durable: stored.durable,
            duties: [...cursor.duties],
            sentUpTo: Math.max(sentUpTo, cursor.reservedUpTo),
          }),
        ),
      noteRead: (seq) => {
        this.#readUpTo = Math.max(this.#readUpTo, seq);
      },
      onTrouble: () => this.#queueStep(),
      floorOf: (groupId) => this.progress(groupId).floor,
      noteUnsent: (groupIds, last) => this.#noteUnsent(cursor, groupIds, last),
    });
    this.#cursors.set(stored.durable, cursor);
    return cursor;
  }

  /** Stores new duties, then lets them work. */
  async #save(cursor: Cursor, duties: Duty[], receipted?: ReadonlyMap<string, RangeSet>): Promise<void> {
    const { jsm, stream } = this.#options;
    await this.#inTurn(cursor, async () => {
      await saveCursor(jsm, stream.name, { durable: cursor.durable, duties, sentUpTo: cursor.reservedUpTo });
      cursor.setDuties(duties, receipted);
    });
  }

  /** What is passed over was receipted by nobody: who lacks it has not lost it. */
  #noteUnsent(cursor: Cursor, groupIds: readonly string[], last: number): Promise<void> {
    const raised = (duty: Duty): Duty =>
      groupIds.includes(duty.groupId) && duty.since !== 0 ? { ...duty, since: Math.max(duty.since, last + 1) } : duty;
    return this.#exclusively(() => this.#save(cursor, cursor.duties.map(raised)));
  }

  async #remove(cursor: Cursor): Promise<void> {
    cursor.close();
    this.#cursors.delete(cursor.durable);
    await this.#strays.watch(deleteCursor(this.#options.jsm, this.#options.stream.name, cursor.durable));
  }

  async #dropGroups(groups: readonly RemoteGroup[], isGroup: (groupId: string) => boolean): Promise<void> {
    const wanted = new Set(groups.map((group) => group.groupId));
    for (const cursor of [...this.#cursors.values()]) {
      const left = cursor.duties.filter(
        ({ groupId, until }) => isGroup(groupId) && (until !== null || wanted.has(groupId)),
      );
      if (left.length === 0) await this.#remove(cursor);
      else if (left.length < cursor.duties.length) await this.#save(cursor, left);
    }
  }

  async #addGroups(groups: readonly RemoteGroup[]): Promise<void> {
    const { jsm, stream, choose } = this.#options;
    const cursors = [...this.#cursors.values()];
    const served = new Set(
      cursors.flatMap(({ duties }) => duties.filter(({ until }) => until === null).map(({ groupId }) => groupId)),
    );
    const byStart = Map.groupBy(
      groups.filter(({ groupId }) => !served.has(groupId)),
      ({ from }) => from,
    );
    for (const [from, fresh] of byStart) {
      const duties = fresh.flatMap(({ groupId }): Duty[] => {
        const terminalId = choose(groupId, null);
        return terminalId === null ? [] : [{ groupId, terminalId, from: from ?? 1, until: null, since: from ?? 0 }];
      });
      if (duties.length === 0) continue;
      const creating = createCursor(jsm, stream.name, { duties, sentUpTo: 0 }, from);
      const { floor, ...stored } = await this.#strays.watch(creating);
      const cursor = this.#add(stored);
      const since = floor + 1;
      const begun = duties.map((duty) => ({ ...duty, since }));
      if (from === null) await this.#save(cursor, begun);
      if (this.#isStarted) cursor.open();
    }
  }

  async #removeFinished(): Promise<void> {
    for (const cursor of [...this.#cursors.values()]) {
      const left = cursor.duties.filter(({ groupId, until }) => until === null || cursor.groupFloor(groupId) < until);
      if (left.length === 0) await this.#remove(cursor);
      else if (left.length < cursor.duties.length) await this.#save(cursor, left);
    }
  }

  /** Gives a group another terminal from the first sequence on that cannot be under way to the old one. */
  async #reassign(): Promise<void> {
    for (const cursor of [...this.#cursors.values()]) {
      for (const duty of cursor.duties) {
        if (duty.until !== null) continue;
        const terminalId = this.#options.choose(duty.groupId, duty.terminalId);
        if (terminalId === null || terminalId === duty.terminalId) continue;
        await this.#moveDuty(cursor, duty, terminalId);
      }
    }
  }

  /** What is under way to a terminal that stays away goes elsewhere, where the group says so: it may arrive at both. */
  async #giveUpLost(): Promise<void> {
    const { choose, isLost, log, stream } = this.#options;
    for (const cursor of [...this.#cursors.values()]) {
      for (const duty of cursor.duties) {
        if (!isLost(duty.groupId, duty.terminalId)) continue;
        const terminalId = choose(duty.groupId, duty.terminalId);
        if (terminalId === null || isLost(duty.groupId, terminalId)) continue;
        const others = cursor.duties.filter((each) => each !== duty);
        await this.#save(cursor, [...others, { ...duty, terminalId, since: 0 }]);
        cursor.rewind('another terminal takes over');
        const fields = { stream: stream.name, group: duty.groupId, was: duty.terminalId, is: terminalId };
        log.warn({ event: 'capture.given-up', ...fields }, 'what a lost terminal may have goes to another one too');
      }
    }
  }

  async #moveDuty(cursor: Cursor, duty: Duty, terminalId: string): Promise<void> {
    const { log, stream } = this.#options;
    cursor.hold(true);
    try {
      const until = cursor.sentUpTo;
      const others = cursor.duties.filter((each) => each !== duty);
      const moved = { ...duty, terminalId, from: until + 1, since: until + 1 };
      if (cursor.groupFloor(duty.groupId) < until) await this.#branch(cursor, [{ ...duty, until }]);
      await this.#save(cursor, [...others, moved]);
      const { groupId: group, terminalId: was } = duty;
      const fields = { stream: stream.name, group, from: moved.from, was, is: terminalId };
      log.info({ event: 'capture.reassigned', ...fields }, 'a group has another terminal');
    } finally {
      cursor.hold(false);
    }
  }

  /** A cursor of its own for some duties of another, from where the least advanced of them stands. */
  async #branch(cursor: Cursor, duties: Duty[]): Promise<void> {
    const { jsm, stream } = this.#options;
    const from = Math.min(...duties.map((duty) => cursor.groupFloor(duty.groupId))) + 1;
    const receipted = cursor.receipted(duties);
    const creating = createCursor(jsm, stream.name, { duties, sentUpTo: cursor.sentUpTo }, from);
    const { floor: _, ...stored } = await this.#strays.watch(creating);
    const branch = this.#add(stored);
    branch.setDuties(duties, receipted);
    branch.open();
  }

  async #split(cursor: Cursor, duties: Duty[], reason: string): Promise<void> {
    cursor.hold(true);
    try {
      await this.#branch(cursor, duties);
      const left = cursor.duties.filter((duty) => !duties.includes(duty));
      await this.#save(cursor, left);
      const fields = { stream: this.#options.stream.name, groups: duties.map(({ groupId }) => groupId), reason };
      this.#options.log.info({ event: 'capture.split', ...fields }, 'groups go alone');
    } finally {
      cursor.hold(false);
    }
  }

  /** Duties that hold back the others of their cursor go alone. */
  async #splitOff(reason: string, pick: (cursor: Cursor) => Duty[]): Promise<void> {
    for (const cursor of [...this.#cursors.values()]) {
      const apart = pick(cursor);
      if (apart.length > 0 && apart.length < cursor.duties.length) await this.#split(cursor, apart, reason);
    }
  }

  /** Cursors that have met become one. */
  async #merge(): Promise<void> {
    const pair = this.#rendezvous.meet(this.#cursors.values());
    if (pair === undefined) return;
    const { ahead, behind } = pair;
    ahead.hold(true);
    behind.hold(true);
    try {
      ahead.raiseSent(behind.sentUpTo);
      await this.#save(ahead, [...ahead.duties, ...behind.duties], behind.receipted(behind.duties));
      await this.#remove(behind);
      this.#options.log.info(
        { event: 'capture.joined', stream: this.#options.stream.name },
        'groups share a cursor again',
      );
    } finally {
      behind.hold(false);
      ahead.hold(false);
      this.#rendezvous.met();
    }
  }
}
