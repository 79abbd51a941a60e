/** The next stages as a cursor sees them: what it hands over, and what it is told of it. */
import type { Duty } from './duty.ts';
import type { CapturedMessage } from './pull-reader.ts';

/** A run of capture sequences on its way: `messages` may have gaps, first..last has none. */
export interface Shipment {
  first: number;
  last: number;
  /** everything up to here is receipted for these groups, and will be sent to none of their terminals again */
  floor: number;
  messages: readonly CapturedMessage[];
  duties: readonly Pick<Duty, 'groupId' | 'terminalId' | 'since'>[];
}

/** What becomes of a shipment while it is on its way, told to its cursor. */
export interface ShipProgress {
  /** the next hop of these terminals holds it */
  stored(terminalIds: readonly string[]): void;
  /** a next hop has no room and is asked again; empty when it has */
  waiting(reason: string): void;
  /** false once the cursor has given the shipment up, or another cursor serves the terminal */
  isWanted(terminalId: string): boolean;
}

/** When a receipt is overdue, and since when; times on the monotonic clock, milliseconds. */
export interface ReceiptTerms {
  /** infinite while no receipt can be expected, because links on the way are down */
  patienceMs: number;
  /** since when the way to the terminal is as it is */
  changedAtMs: number;
  /** what was sent before this went a way that is broken since */
  brokenAtMs: number;
  /** how long that may still come through */
  shortPatienceMs: number;
}

/** Why messages are not delivered: no envelope can hold their subject, or the terminal says that the group is gone. */
export type ParkReason = 'subject' | 'gone';

/** The next stages, as a cursor sees them. */
export interface Shipper {
  isReachable(terminalId: string): boolean;
  /** bytes of messages one shipment may hold */
  maxShipmentBytes(): number;
  receiptTerms(terminalId: string): ReceiptTerms;
  /** a receipt is overdue although its way stands: what goes next may go around that way */
  noReceipt(terminalId: string): void;
  /** whether an envelope can hold the message: nats-server stores subjects that none can */
  isCarriable(message: CapturedMessage): boolean;
  /** keeps messages of a run as dead letters of its groups; resolves when they are safe */
  park(run: Shipment, why: ParkReason): Promise<void>;
  /** resolves once every next hop holds the shipment; asks a busy one again until the shipment is not wanted any more */
  ship(shipment: Shipment, progress: ShipProgress): Promise<void>;
}
