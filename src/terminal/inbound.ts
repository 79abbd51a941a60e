/**
 * The way into a terminal: frames from its links. What is for this terminal goes to arrival, what is for others to transit,
 * and a frame is answered only after both hold it. What arrival stored goes back to the origin as a signed receipt; a receipt
 * for this terminal goes to the cursors of its flow, one for another is kept and sent on; a release note goes the same way.
 *
 * Head and path of a frame are unsigned: they only save useless sending. Destinations count where the signed manifest
 * assigns them a group.
 */
import type { Clock } from '../clock.ts';
import type { Arrivals, Stored } from '../delivery/index.ts';
import {
  decodeFrame,
  type Flow,
  flowKey,
  type Manifest,
  type PublicKeyLike,
  type Receipt,
  type Release,
  readManifest,
  readReceipt,
  readRelease,
  type SignFn,
  signReceipt,
} from '../envelope/index.ts';
import { BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Occasional } from '../occasional.ts';
import { soon } from '../soon.ts';
import type { PathLog, ReceiptBook, ReleaseNotes, Transit } from '../transit/index.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface InboundOptions {
  customerId: string;
  customerName: string;
  terminalId: string;
  arrivals: Arrivals;
  /** null: this terminal carries nothing for others */
  transit: () => Transit | null;
  receipts: ReceiptBook;
  notes: ReleaseNotes;
  paths: PathLog;
  sign: SignFn;
  /** what receipts are written in */
  format: () => number;
  signKeyOf: (terminalId: string) => PublicKeyLike | undefined;
  /** site of a terminal, for people */
  nameOf: (terminalId: string) => string;
  snapshotVersion: () => number;
  clock: Clock;
  onReceipt: (flow: Flow, receipt: Receipt) => void;
  /** a terminal on the way gave up an envelope of this one */
  onRelease: (release: Release) => void;
  metrics: TerminalMetrics;
  log: Logger;
}

type FrameOf<K extends 'envelope' | 'receipt' | 'control'> = Extract<ReturnType<typeof decodeFrame>, { kind: K }>;

/** what arrival stored, and what its frame went around */
type Answer = Stored & { shun: readonly string[] };

const hopLimit = 16;

export class Inbound {
  readonly #options: InboundOptions;
  readonly #receipts = new Map<string, Answer>();
  readonly #queueFlush = soon(() => this.#flush());
  readonly #refusals: Occasional;

  constructor(options: InboundOptions) {
    this.#options = options;
    this.#refusals = new Occasional(options.clock);
  }

  /** Stores an envelope; resolves when it is safe. Every refusal is counted by its code. */
  async takeFrame(bytes: Uint8Array): Promise<void> {
    try {
      await this.#take(bytes);
    } catch (error) {
      const code = isBusError(error) ? error.code : 'E_INTERNAL';
      this.#options.metrics.envelopesRefused.inc({ code });
      const isExpected = isBusError(error) && error.disposition === 'retry';
      const unsaid = this.#refusals.say(code);
      const level = isExpected || unsaid === undefined ? 'debug' : 'warn';
      this.#options.log[level]({ event: 'arrival.refused', code, unsaid, err: error }, 'an envelope was not stored');
      throw error;
    }
  }

  /** Takes a frame that needs no answer: a receipt or a release note. Anything else is dropped and counted. */
  takeNote(bytes: Uint8Array): void {
    const { metrics, log } = this.#options;
    try {
      const frame = decodeFrame(bytes);
      if (frame.kind === 'receipt') this.#takeReceipt(frame);
      else if (frame.kind === 'control') this.#takeRelease(frame);
      else throw new BusError('E_RECEIPT_BAD', 'an envelope came where receipts are expected');
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
    if (frame.path.includes(terminalId)) throw new BusError('E_LOOP', 'the envelope was here before');
    const others = frame.destinations.filter((id) => id !== terminalId);
    const work: Promise<void>[] = [];
    if (others.length < frame.destinations.length) work.push(this.#deliver(frame));
    if (others.length > 0) work.push(this.#carry(frame, bytes, others));
    if (work.length === 0) throw new BusError('E_ENVELOPE_BAD', 'the envelope is for nobody');
    const outcomes = await Promise.allSettled(work);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #deliver({ manifest, sealed, path, shun }: FrameOf<'envelope'>): Promise<void> {
    const { customerName, terminalId, nameOf, metrics, paths } = this.#options;
    const whole = [...path, terminalId];
    let isNoted = false;
    await this.#options.arrivals.take(manifest, sealed, (stored) => {
      this.#queueReceipt({ ...stored, shun });
      if (!isNoted) this.#notePath('delivered', stored, terminalId, whole);
      isNoted = true;
    });
    metrics.pathArrived.inc({ customer: customerName, path: paths.label(whole.map(nameOf)) });
  }

  async #carry(frame: FrameOf<'envelope'>, bytes: Uint8Array, others: string[]): Promise<void> {
    const { terminalId } = this.#options;
    const transit = this.#options.transit();
    if (transit === null) throw new BusError('E_NO_TRANSIT', 'this site carries nothing for others');
    if (frame.hopLimit < 1) throw new BusError('E_LOOP', 'the envelope came over too many links');
    const manifest = this.#readManifest(frame.manifest);
    const destinations = others.filter((id) => manifest.assignments.some((each) => each.terminalId === id));
    if (destinations.length === 0) throw new BusError('E_MANIFEST_BAD', 'the envelope is for nobody of its manifest');
    await transit.take({ bytes, manifest, path: frame.path, shun: frame.shun, destinations });
    for (const id of destinations) this.#notePath('transit', manifest, id, [...frame.path, terminalId]);
  }

  #readManifest(bytes: Uint8Array): Manifest {
    const { customerId, signKeyOf } = this.#options;
    const manifest = readManifest(bytes, signKeyOf);
    if (manifest.customerId === customerId) return manifest;
    throw new BusError('E_MANIFEST_BAD', 'the envelope is of another customer');
  }

  #notePath(
    kind: 'transit' | 'delivered',
    { flow, first, last }: Pick<Manifest, 'flow' | 'first' | 'last'>,
    destinationId: string,
    path: string[],
  ): void {
    const { paths, log, nameOf, clock } = this.#options;
    paths.add({ flow, first, last, destinationId, path, atMs: clock.wallMs(), kind });
    const names = path.map(nameOf).join('>');
    log.debug({ event: `envelope.${kind}`, topicId: flow.topicId, first, last, path: names }, 'an envelope came');
  }

  #takeReceipt(frame: FrameOf<'receipt'>): void {
    const { signKeyOf, customerId, terminalId, onReceipt, receipts } = this.#options;
    const receipt = readReceipt(frame.receipt, signKeyOf);
    if (receipt.customerId !== customerId) throw new BusError('E_RECEIPT_BAD', 'a receipt of another customer came');
    if (receipt.flow.originId === terminalId) {
      onReceipt(receipt.flow, receipt);
      return;
    }
    this.#mustCarry(frame.path);
    const { path, shun, hopLimit } = frame;
    receipts.take(receipt, frame.receipt, { path, shun, hopLimit });
  }

  #takeRelease(frame: FrameOf<'control'>): void {
    const { signKeyOf, customerId, terminalId, onRelease, notes } = this.#options;
    const release = readRelease(frame.control, signKeyOf);
    if (release.customerId !== customerId) throw new BusError('E_RECEIPT_BAD', 'a note of another customer came');
    if (release.flow.originId === terminalId) {
      onRelease(release);
      return;
    }
    this.#mustCarry(frame.path);
    notes.pass(release.flow.originId, frame);
  }

  #mustCarry(path: readonly string[]): void {
    if (this.#options.transit() === null)
      throw new BusError('E_RECEIPT_BAD', 'a receipt came to a terminal that is not its origin');
    if (path.includes(this.#options.terminalId)) throw new BusError('E_LOOP', 'the receipt was here before');
  }

  #queueReceipt(answer: Answer): void {
    const key = `${flowKey(answer.flow)} ${answer.groupId}`;
    this.#receipts.set(key, answer);
    this.#queueFlush();
  }

  #flush(): void {
    const { customerId, terminalId, sign, format, receipts, snapshotVersion } = this.#options;
    const waiting = [...this.#receipts.values()];
    this.#receipts.clear();
    for (const { shun, ...stored } of waiting) {
      const receipt: Receipt = { customerId, terminalId, snapshotVersion: snapshotVersion(), ...stored };
      receipts.take(receipt, signReceipt(receipt, sign, format()), { path: [], shun, hopLimit });
    }
  }
}
