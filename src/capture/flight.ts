/**
 * What a cursor has sent and not yet acknowledged, oldest first, and how much more may go: by shipments and bytes that
 * wait for their next hops to store them, and by messages that wait for their receipts.
 */
import type { Span } from './receipted.ts';

export interface InFlight extends Span {
  count: number;
  ackSubject: string | undefined;
  /** when every next hop had stored it, monotonic milliseconds; undefined until then */
  storedAtMs: number | undefined;
  /** terminals whose next hop has not stored it yet */
  unstoredAt: Set<string>;
}

export const maxUnstored = 16;
const maxUnstoredBytes = 16 * 1024 * 1024;
/** stays under the durable's max_ack_pending */
export const maxOutstandingMessages = 80_000;

export class Flight {
  #entries: InFlight[] = [];
  #outstanding = 0;
  #unstored = 0;
  #unstoredBytes = 0;

  get oldest(): InFlight | undefined {
    return this.#entries[0];
  }

  get hasRoom(): boolean {
    return (
      this.#unstored < maxUnstored &&
      this.#unstoredBytes < maxUnstoredBytes &&
      this.#outstanding < maxOutstandingMessages
    );
  }

  /** Whether no next hop has anything left to store. */
  get isStored(): boolean {
    return this.#unstored === 0;
  }

  /** Shipments that the next hop towards the terminal has not stored yet. */
  unstoredAt(terminalId: string): number {
    return this.#entries.filter((entry) => entry.unstoredAt.has(terminalId)).length;
  }

  add(entry: InFlight): void {
    this.#entries.push(entry);
    this.#outstanding += entry.count;
  }

  /** Counts bytes as on their way to the next hops until the returned function is called. */
  leave(bytes: number): () => void {
    this.#unstored += 1;
    this.#unstoredBytes += bytes;
    return () => {
      this.#unstored -= 1;
      this.#unstoredBytes -= bytes;
    };
  }

  /** Removes the settled ones from the front: the last sequence of them, and what acknowledges them; undefined for none. */
  land(isSettled: (span: Span) => boolean): { last: number; ackSubject: string | undefined } | undefined {
    const open = this.#entries.findIndex((entry) => !isSettled(entry));
    const landed = this.#entries.splice(0, open === -1 ? this.#entries.length : open);
    const last = landed.at(-1)?.last;
    if (last === undefined) return undefined;
    this.#outstanding -= landed.reduce((sum, { count }) => sum + count, 0);
    return { last, ackSubject: landed.findLast(({ ackSubject }) => ackSubject !== undefined)?.ackSubject };
  }

  /** What is on its way to next hops still counts until it is answered. */
  forget(): void {
    this.#entries = [];
    this.#outstanding = 0;
  }
}
