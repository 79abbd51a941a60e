/**
 * How far a capture stream has ever come, as this disk knows. A destination that has stored more had it from a stream
 * that went further: the disk was put back to an older copy, and its next sequences stand for other messages than before.
 */
import type { RangeSet } from '../envelope/index.ts';

export class Reach {
  #end: number;

  /** `end`: the stream's last sequence before anything is sent from it */
  constructor(end: number) {
    this.#end = end;
  }

  /** The last sequence that can have been sent from this disk. */
  get end(): number {
    return this.#end;
  }

  extend(sentUpTo: number): void {
    this.#end = Math.max(this.#end, sentUpTo);
  }

  isExceededBy(received: RangeSet): boolean {
    return received.last > this.#end;
  }
}
