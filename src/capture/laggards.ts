/**
 * Which duties of a cursor hold back the others: half a second after half a second the window is full and they are far
 * behind, or they stand still beside a group of the same terminal that moves.
 */
import type { Duty } from './duty.ts';
import { type Flight, maxOutstandingMessages, maxUnstored } from './flight.ts';

/** samples in a row before a duty counts as slow */
const slowStrikes = 2;

export class Laggards {
  readonly #strikes = new Map<string, number>();
  /** floors of groups at the last sample */
  readonly #floors = new Map<string, number>();

  isSlow({ groupId }: Duty): boolean {
    return (this.#strikes.get(groupId) ?? 0) >= slowStrikes;
  }

  /** Called every half second. */
  sample(duties: readonly Duty[], flight: Flight, isReading: boolean, floorOf: (groupId: string) => number): void {
    const isFull = isReading && !flight.hasRoom;
    const top = Math.max(0, ...duties.map(({ groupId }) => floorOf(groupId)));
    const least = Math.min(...duties.map(({ terminalId }) => flight.unstoredAt(terminalId)));
    for (const duty of duties) {
      const floor = floorOf(duty.groupId);
      const isBehind = top - floor > maxOutstandingMessages / 2;
      const isLate = isBehind || flight.unstoredAt(duty.terminalId) - least > maxUnstored / 2;
      const isStruck = (isFull && isLate) || (isReading && this.#isStuck(duty, duties, floorOf));
      this.#strikes.set(duty.groupId, isStruck ? (this.#strikes.get(duty.groupId) ?? 0) + 1 : 0);
      this.#floors.set(duty.groupId, floor);
    }
  }

  /** Another group at the same terminal has what came with the same envelopes, and this one has stood still: it is full. */
  #isStuck(duty: Duty, duties: readonly Duty[], floorOf: (groupId: string) => number): boolean {
    const floor = floorOf(duty.groupId);
    const isOvertaken = duties.some((other) => other.terminalId === duty.terminalId && floorOf(other.groupId) > floor);
    return isOvertaken && this.#floors.get(duty.groupId) === floor;
  }
}
