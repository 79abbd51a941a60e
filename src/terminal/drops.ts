/**
 * Counts what groups with `onFull: dropOldest` have dropped: what came into the stream, is no marker, was not delivered
 * and does not wait. Deliveries that were repeated hide as many drops, so the count may be too low and is never too high;
 * what two looks in a row agree on counts, because nothing is looked at in the same instant.
 */
export interface DropSample {
  /** newest sequence in the stream */
  last: number;
  /** deliveries so far, repeats included */
  deliveries: number;
  /** messages not yet delivered */
  pending: number;
}

interface Account {
  /** sequences that were neither delivered nor waited at the first look */
  base: number;
  /** markers written since */
  markers: number;
  dropped: number;
  /** not counted yet, at the last look */
  seen: number;
}

export class Drops {
  readonly #accounts = new Map<string, Account>();
  readonly #count: (groupId: string, messages: number) => void;

  /** @param count told of drops that were not known before */
  constructor(count: (groupId: string, messages: number) => void) {
    this.#count = count;
  }

  /** A marker was written to the group's stream: its sequence is no message. */
  noteMarker(groupId: string): void {
    const account = this.#accounts.get(groupId);
    if (account !== undefined) account.markers += 1;
  }

  /** Dropped since this process began. */
  of(groupId: string): number {
    return this.#accounts.get(groupId)?.dropped ?? 0;
  }

  sample(groupId: string, { last, deliveries, pending }: DropSample): void {
    const missing = last - deliveries - pending;
    const account = this.#accounts.get(groupId);
    if (account === undefined) {
      this.#accounts.set(groupId, { base: missing, markers: 0, dropped: 0, seen: 0 });
      return;
    }
    const news = Math.max(0, missing - account.base - account.markers - account.dropped);
    const agreed = Math.min(news, account.seen);
    account.seen = news - agreed;
    if (agreed === 0) return;
    account.dropped += agreed;
    this.#count(groupId, agreed);
  }
}
