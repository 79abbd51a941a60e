/**
 * The demo's own book of what was published and what arrived, kept outside the bus.
 *
 * A message is named by its `Event-Id` header and known by the SHA-256 of subject, application headers and payload.
 * Transport headers (`Nats-*`, `Mb-*`) do not count. An arrival that nobody published counts as changed.
 */
import { hash } from 'node:crypto';

export const eventIdHeader = 'Event-Id';

/** What any client generation hands over; headers as both generations iterate them. */
export interface LedgerMessage {
  subject: string;
  headers: Iterable<[string, string[]]>;
  payload: Uint8Array;
}

export interface GroupTally {
  expected: number;
  delivered: number;
  lost: number;
  duplicated: number;
  changed: number;
}

interface GroupBook {
  topic: string;
  /** arrivals by event id */
  seen: Map<string, number>;
  changed: number;
}

export class Ledger {
  readonly #published = new Map<string, { topic: string; digest: string }>();
  readonly #expected = new Map<string, number>();
  readonly #groups = new Map<string, GroupBook>();

  /** Opens a group's page. `name` is `customer/topic@group`. */
  addGroup(name: string, topic: string): void {
    this.#groups.set(name, { topic, seen: new Map(), changed: 0 });
  }

  /** Notes a message before it is sent; every group of its topic owes it from now on. */
  publish(id: string, topic: string, message: LedgerMessage): void {
    this.#published.set(id, { topic, digest: digestOf(message) });
    this.#expected.set(topic, (this.#expected.get(topic) ?? 0) + 1);
  }

  /** Notes an arrival at a group. */
  arrive(name: string, message: LedgerMessage): void {
    const book = this.#book(name);
    const id = eventIdOf(message);
    const published = id === undefined ? undefined : this.#published.get(id);
    if (id === undefined || published?.topic !== book.topic) {
      book.changed += 1;
      return;
    }
    book.seen.set(id, (book.seen.get(id) ?? 0) + 1);
    if (published.digest !== digestOf(message)) book.changed += 1;
  }

  tally(name: string): GroupTally {
    const { topic, seen, changed } = this.#book(name);
    const expected = this.#expected.get(topic) ?? 0;
    let arrivals = 0;
    for (const count of seen.values()) arrivals += count;
    return { expected, delivered: seen.size, lost: expected - seen.size, duplicated: arrivals - seen.size, changed };
  }

  tallies(): Record<string, GroupTally> {
    return Object.fromEntries([...this.#groups.keys()].map((name) => [name, this.tally(name)]));
  }

  /** Different messages arrived, over the groups named so that `select` holds. */
  delivered(select: (group: string) => boolean = () => true): number {
    let sum = 0;
    for (const [name, book] of this.#groups) if (select(name)) sum += book.seen.size;
    return sum;
  }

  /** True when every group has every message. */
  isComplete(): boolean {
    return [...this.#groups].every(([, book]) => book.seen.size >= (this.#expected.get(book.topic) ?? 0));
  }

  #book(name: string): GroupBook {
    const book = this.#groups.get(name);
    if (!book) throw new RangeError(`no page for group ${name}`);
    return book;
  }
}

function eventIdOf(message: LedgerMessage): string | undefined {
  for (const [key, values] of message.headers) if (key === eventIdHeader) return values[0];
  return undefined;
}

function digestOf(message: LedgerMessage): string {
  const lines = [...message.headers]
    .filter(([key]) => !/^(nats|mb)-/i.test(key))
    .flatMap(([key, values]) => values.map((value) => `${key}: ${value}`))
    .sort();
  const prefix = Buffer.from(`${JSON.stringify([message.subject, lines])}\n`);
  return hash('sha256', Buffer.concat([prefix, message.payload]), 'base64');
}
