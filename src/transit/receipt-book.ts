/**
 * Receipts on their way back: the newest of each flow, group and terminal is kept in memory until newer ones push it out,
 * and sent whenever a link towards its origin comes up. They are cumulative, so only the newest counts and a lost one costs
 * nothing once the next has come. What a receipt says is stored needs no carrying either: `covers` tells.
 */
import { encodeFrame, flowKey, type Receipt } from '../envelope/index.ts';
import type { TransitRoutes } from './forwarder.ts';

export interface ReceiptBookOptions {
  terminalId: string;
  routes: TransitRoutes;
  /** what is written now, see envelope/formats.ts */
  format: () => number;
  /** gives a frame to a link; lost when the link is down */
  note: (linkId: string, frame: Uint8Array) => void;
}

interface Kept {
  receipt: Receipt;
  bytes: Uint8Array;
  /** terminals it came over, its signer first; empty when this terminal signed it */
  path: readonly string[];
  /** terminals to go around where there is a way, as what it answers came */
  shun: readonly string[];
  hopLimit: number;
  /** the link it was last given to, null while there was none */
  sentOn: string | null;
}

const maxKept = 10_000;
const maxKeptBytes = 16 * 1024 * 1024;

export class ReceiptBook {
  readonly #options: ReceiptBookOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #cancel: () => void;
  #bytes = 0;

  constructor(options: ReceiptBookOptions) {
    this.#options = options;
    this.#cancel = options.routes.onChange(() => this.#sendAll());
  }

  /** Keeps a verified receipt and sends it on; an older one than is kept is passed over. */
  take(receipt: Receipt, bytes: Uint8Array, from: Pick<Kept, 'path' | 'shun' | 'hopLimit'>): void {
    const key = `${flowKey(receipt.flow)} ${receipt.groupId} ${receipt.terminalId} ${receipt.status}`;
    const known = this.#kept.get(key);
    if (known !== undefined && isOlder(receipt, known.receipt)) return;
    const kept = { receipt, bytes: Uint8Array.from(bytes), ...from, sentOn: null };
    this.#remove(key);
    this.#kept.set(key, kept);
    this.#bytes += bytes.length;
    this.#makeRoom();
    this.#send(kept);
  }

  /** Whether a receipt says that the terminal has all of the range for the group. */
  covers(flow: string, groupId: string, terminalId: string, first: number, last: number): boolean {
    return this.#kept.get(`${flow} ${groupId} ${terminalId} stored`)?.receipt.received.covers(first, last) ?? false;
  }

  /** Sends again what stands here, because the sender does not seem to know it; around those that it goes around. */
  repeat(flow: string, groupId: string, terminalId: string, shun: readonly string[]): void {
    const kept = this.#kept.get(`${flow} ${groupId} ${terminalId} stored`);
    if (kept === undefined) return;
    kept.shun = shun;
    this.#send(kept);
  }

  /** A link came up: what was given to it before may have been lost. */
  linkUp(linkId: string): void {
    for (const kept of this.#kept.values()) {
      if (kept.sentOn === linkId) kept.sentOn = null;
    }
    this.#sendAll();
  }

  stop(): void {
    this.#cancel();
  }

  #sendAll(): void {
    for (const kept of this.#kept.values()) {
      const hop = this.#hopOf(kept);
      if (hop !== null && hop.linkId !== kept.sentOn) this.#send(kept);
    }
  }

  #send(kept: Kept): void {
    const { note, terminalId } = this.#options;
    const hop = this.#hopOf(kept);
    if (hop === null || kept.hopLimit < 1) return;
    const { receipt, bytes, path, shun, hopLimit } = kept;
    const destinations = [receipt.flow.originId];
    const head = { hopLimit: hopLimit - 1, path: [...path, terminalId], shun: [...shun], destinations };
    note(hop.linkId, encodeFrame({ kind: 'receipt', ...head, receipt: bytes }, this.#options.format()));
    kept.sentOn = hop.linkId;
  }

  #hopOf({ receipt, path, shun }: Kept): { linkId: string } | null {
    return this.#options.routes.nextHop(receipt.flow.originId, path, shun);
  }

  #makeRoom(): void {
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= maxKept && this.#bytes <= maxKeptBytes) return;
      this.#remove(key);
    }
  }

  #remove(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes.length ?? 0;
    this.#kept.delete(key);
  }
}

/** Sets only grow, so the one with less in it is older. */
function isOlder(receipt: Receipt, known: Receipt): boolean {
  const [a, b] = [receipt.received, known.received];
  if (a.mark !== b.mark) return a.mark < b.mark;
  return a.last !== b.last ? a.last < b.last : a.ranges.length > b.ranges.length;
}
