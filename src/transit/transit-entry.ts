/** One frame that is carried for others: what of it is left to do, and where its bytes are. */
import type { CacheIndex } from './cache.ts';

interface DestinationState {
  isSending: boolean;
  /** it stands in the queue of its lane */
  isQueued: boolean;
}

export interface TransitEntry {
  /** sequence in the cache, null until it is stored */
  seq: number | null;
  /** null: to be read from the cache */
  bytes: Uint8Array | null;
  size: number;
  /** flowKey of the manifest */
  flow: string;
  index: CacheIndex;
  /** terminals visited before this one, and this one */
  path: readonly string[];
  /** position in its lanes */
  order: number;
  /** destinations whose next hop does not have it yet */
  left: Map<string, DestinationState>;
  /** each destination is sent for itself */
  isSplit: boolean;
  refusals: number;
  /** times that a next hop was busy or refused it */
  failures: number;
  /** it could not be stored: what is not on its way already stays with the sender */
  isWithdrawn: boolean;
}

export function isWaiting(entry: TransitEntry, terminalId: string): boolean {
  const state = entry.left.get(terminalId);
  return state !== undefined && !state.isSending;
}
