/**
 * When a cursor stops waiting for a receipt and reads again: the way's patience has run out since anything moved, or the
 * shipment went a way that is broken. A receipt that stays out again and again is waited for longer each time.
 */
import type { Clock } from '../clock.ts';
import type { Duty } from './duty.ts';
import type { ReceiptTerms } from './shipper.ts';

export interface Overdue {
  terminalId: string;
  /** the way it went is broken since */
  isAstray: boolean;
}

const maxPatienceFactor = 16;

export class ReceiptWatch {
  readonly #clock: Clock;
  /** when a group's floor last moved, monotonic milliseconds */
  readonly #movedAtMs = new Map<string, number>();
  /** rewinds for want of a receipt since a floor moved */
  #timeouts = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A receipt moved the group's floor. */
  moved(groupId: string): void {
    this.#movedAtMs.set(groupId, this.#clock.monotonicMs());
    this.#timeouts = 0;
  }

  /** A receipt was overdue, and the cursor reads again. */
  timedOut(): void {
    this.#timeouts += 1;
  }

  /** The duties whose receipts are overdue for a shipment that its next hops had stored at `storedAtMs`. */
  overdue(storedAtMs: number, duties: readonly Duty[], termsOf: (terminalId: string) => ReceiptTerms): Overdue[] {
    const nowMs = this.#clock.monotonicMs();
    const factor = Math.min(maxPatienceFactor, 2 ** this.#timeouts);
    return duties.flatMap((duty): Overdue[] => {
      const terms = termsOf(duty.terminalId);
      const sinceMs = Math.max(storedAtMs, terms.changedAtMs, this.#movedAtMs.get(duty.groupId) ?? 0);
      if (nowMs - sinceMs > terms.patienceMs * factor) return [{ terminalId: duty.terminalId, isAstray: false }];
      const isAstray = storedAtMs < terms.brokenAtMs && terms.patienceMs < Number.POSITIVE_INFINITY;
      const isGivenUp = isAstray && nowMs - terms.changedAtMs > terms.shortPatienceMs;
      return isGivenUp ? [{ terminalId: duty.terminalId, isAstray }] : [];
    });
  }
}
