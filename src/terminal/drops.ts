/**
 * Counts what groups with `onFull: dropOldest` have dropped. nats-server says how far it has delivered and how often, and
 * which message is its oldest: sequences that it passed over without delivering them, and that are no markers, were
 * dropped. Deliveries that were repeated hide as many drops, so the count may be too low and is never too high.
 */
export interface DropSample {
  /** highest sequence delivered */
  delivered: number;
  /** deliveries so far, repeats included */
  deliveries: number;
  /** oldest and newest sequence in the stream */
  first: number;
  last: number;
  /** messages not yet delivered */
  pending: number;
}

interface Account {
  passed: number;
  deliveries: number;
  /** passed over, not delivered, no markers; negative while markers or repeats are counted ahead */
  balance: number;
  dropped: number;
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
    if (account !== undefined) account.balance -= 1;
  }

  /** Dropped since this process began. */
  of(groupId: string): number {
    return this.#accounts.get(groupId)?.dropped ?? 0;
  }

  sample(groupId: string, { delivered, deliveries, first, last, pending }: DropSample): void {
    const passed = Math.max(delivered, first - 1);
    const account = this.#accounts.get(groupId);
    if (account === undefined) {
      // of what is still to be passed, all that is no message
      this.#accounts.set(groupId, { passed, deliveries, balance: Math.min(0, pending - (last - passed)), dropped: 0 });
      return;
    }
    account.balance += passed - account.passed - (deliveries - account.deliveries);
    account.passed = passed;
    account.deliveries = deliveries;
    const news = account.balance - account.dropped;
    if (news <= 0) return;
    account.dropped += news;
    this.#count(groupId, news);
  }
}
