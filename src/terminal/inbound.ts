/**
 * The way into a terminal: frames from its links. An envelope for this terminal goes to arrival, and what arrival stored
 * goes back to the origin as a signed receipt; a receipt for this terminal goes to the cursors of its flow.
 *
 * A frame is answered only after its messages are stored. Receipts are cumulative, so only the newest of a flow and group
 * is kept for sending, and a lost one costs a repeat.
 */

import type { Arrivals, Stored } from '../delivery/index.ts';
import {
  decodeFrame,
  encodeFrame,
  type Flow,
  flowKey,
  type PublicKeyLike,
  type Receipt,
  readReceipt,
  type SignFn,
  signReceipt,
} from '../envelope/index.ts';
import { BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface InboundOptions {
  customerId: string;
  terminalId: string;
  arrivals: Arrivals;
  sign: SignFn;
  signKeyOf: (terminalId: string) => PublicKeyLike | undefined;
  snapshotVersion: () => number;
  /** hands a frame to the link that leads to the terminal; lost when there is none */
  note: (terminalId: string, frame: Uint8Array) => void;
  onReceipt: (flow: Flow, receipt: Receipt) => void;
  metrics: TerminalMetrics;
  log: Logger;
}

const hopLimit = 16;

export class Inbound {
  readonly #options: InboundOptions;
  readonly #receipts = new Map<string, Stored>();
  #isFlushQueued = false;

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  /** Stores an envelope; resolves when it is safe. Every refusal is counted by its code. */
  async takeFrame(bytes: Uint8Array): Promise<void> {
    try {
      await this.#take(bytes);
    } catch (error) {
      const code = isBusError(error) ? error.code : 'E_INTERNAL';
      this.#options.metrics.envelopesRefused.inc({ code });
      const isExpected = isBusError(error) && error.disposition === 'retry';
      const level = isExpected ? 'debug' : 'warn';
      this.#options.log[level]({ event: 'arrival.refused', code, err: error }, 'an envelope was not stored');
      throw error;
    }
  }

  /** Takes a frame that needs no answer: a receipt. Anything else is dropped and counted. */
  takeNote(bytes: Uint8Array): void {
    const { signKeyOf, customerId, terminalId, onReceipt, metrics, log } = this.#options;
    try {
      const frame = decodeFrame(bytes);
      if (frame.kind !== 'receipt')
        throw new BusError('E_RECEIPT_BAD', `a ${frame.kind} came where receipts are expected`);
      const receipt = readReceipt(frame.receipt, signKeyOf);
      const isMine = receipt.customerId === customerId && receipt.flow.originId === terminalId;
      if (!isMine) throw new BusError('E_RECEIPT_BAD', 'a receipt came to a terminal that is not its origin');
      onReceipt(receipt.flow, receipt);
    } catch (error) {
      metrics.receiptsRefused.inc({ code: isBusError(error) ? error.code : 'E_INTERNAL' });
      log.debug({ event: 'receipt.refused', err: error }, 'a receipt was dropped');
    }
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const frame = decodeFrame(bytes);
    const { terminalId } = this.#options;
    if (frame.kind !== 'envelope')
      throw new BusError('E_ENVELOPE_BAD', `a ${frame.kind} came where envelopes are expected`);
    const isOnlyForMe = frame.destinations.length === 1 && frame.destinations[0] === terminalId;
    if (!isOnlyForMe) throw new BusError('E_NO_TRANSIT', 'the envelope is for another terminal');
    for (const stored of await this.#options.arrivals.take(frame.manifest, frame.sealed)) this.#queueReceipt(stored);
  }

  #queueReceipt(stored: Stored): void {
    const key = `${flowKey(stored.flow)} ${stored.groupId}`;
    this.#receipts.set(key, stored);
    if (this.#isFlushQueued) return;
    this.#isFlushQueued = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushQueued = false;
    const { customerId, terminalId, sign, note, snapshotVersion } = this.#options;
    const waiting = [...this.#receipts.values()];
    this.#receipts.clear();
    for (const stored of waiting) {
      const receipt = signReceipt({ customerId, terminalId, snapshotVersion: snapshotVersion(), ...stored }, sign);
      const { originId } = stored.flow;
      note(originId, encodeFrame({ kind: 'receipt', hopLimit, path: [terminalId], destinations: [originId], receipt }));
    }
  }
}
