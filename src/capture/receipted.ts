/**
 * What the groups of one cursor have receipted: a floor below which nothing is owed to any of them, and for each group
 * the sequences above it.
 */
import { RangeSet } from '../envelope/index.ts';
import { type Duty, isDue } from './duty.ts';

/** A run of capture sequences, both ends included. */
export interface Span {
  first: number;
  last: number;
}

export class Receipted {
  readonly #done = new Map<string, RangeSet>();
  #floor = 0;

  /** Every sequence up to here is receipted for every duty. */
  get floor(): number {
    return this.#floor;
  }

  /** Receipted without a gap for this group up to here. */
  groupFloor(groupId: string): number {
    return Math.max(this.#done.get(groupId)?.mark ?? 0, this.#floor);
  }

  copy(duties: readonly Duty[]): Map<string, RangeSet> {
    return new Map(duties.map((duty) => [duty.groupId, this.#of(duty).clone()]));
  }

  has(duty: Duty, seq: number): boolean {
    return this.#of(duty).has(seq);
  }

  covers(duty: Duty, { first, last }: Span): boolean {
    return this.#of(duty).covers(first, last);
  }

  /** Whether no duty waits for any of the span any more. */
  isSettled(duties: readonly Duty[], span: Span): boolean {
    return duties.every((duty) => !isDue(duty, span.first, span.last) || this.covers(duty, span));
  }

  /** The durable's ack floor, when it is read from there. */
  startAt(floor: number, duties: readonly Duty[]): void {
    this.#floor = floor;
    for (const duty of duties) this.#of(duty);
  }

  raiseFloor(floor: number): void {
    this.#floor = floor;
    for (const done of this.#done.values()) done.prune(floor);
  }

  add(duty: Duty, { first, last }: Span): void {
    this.#of(duty).add(first, last);
  }

  /** Takes what a receipt says of the duty, as far as it was sent; true when the group's mark moved. */
  take(duty: Duty, received: RangeSet, sentUpTo: number): boolean {
    const done = this.#of(duty);
    const before = done.mark;
    const end = Math.min(duty.until ?? Number.MAX_SAFE_INTEGER, sentUpTo);
    for (const [first, last] of [[1, received.mark] as const, ...received.ranges]) {
      const from = Math.max(first, duty.from);
      const until = Math.min(last, end);
      if (from <= until) done.add(from, until);
    }
    return done.mark > before;
  }

  /** Keeps these duties alone, with what is receipted already for those that are new here. */
  keep(duties: readonly Duty[], receipted: ReadonlyMap<string, RangeSet>): void {
    for (const duty of duties) {
      const known = receipted.get(duty.groupId);
      if (known !== undefined) this.#done.set(duty.groupId, known);
      this.#of(duty);
    }
    for (const groupId of this.#done.keys()) {
      if (!duties.some((duty) => duty.groupId === groupId)) this.#done.delete(groupId);
    }
  }

  #of({ groupId, from }: Duty): RangeSet {
    let done = this.#done.get(groupId);
    if (done === undefined) {
      done = new RangeSet();
      this.#done.set(groupId, done);
    }
    done.prune(Math.max(this.#floor, from - 1));
    return done;
  }
}
