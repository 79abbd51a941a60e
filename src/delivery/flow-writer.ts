/**
 * Writes one flow into one group stream: messages and marker in a single atomic batch, the marker by compare-and-set.
 *
 * What the marker's set holds already is left out, so repeats and other envelope borders do no harm. After any outcome
 * that is not a plain yes - time-out, conflict, restart of the server - the stored marker is read again and decides. Two
 * writers cannot both commit: each expects the marker it has seen.
 *
 * Where order counts, an arrival behind a gap is held back until what comes before it is stored, and refused when that
 * takes too long: its sender asks again. What came before `since` is not for this stream to wait
 * for, and an origin that cannot say since when (0) sends in order by itself.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { backoffMs } from '../backoff.ts';
import { type BusMessage, type Flow, MAX_MESSAGES, type RangeSet } from '../envelope/index.ts';
import { BusError, isBusError } from '../errors.ts';
import { filterHeaders } from '../nats/index.ts';
import { type BatchMessage, publishBatch } from './atomic-batch.ts';
import type { ArrivalPlace } from './group-stream.ts';
import { MarkerStore, type StoredMarker } from './marker-store.ts';
import type { OpenBatch, StreamHold } from './stream-hold.ts';
import { type BatchTrace, batchName } from './torn-batch.ts';

const maxBatchBytes = 16 * 1024 * 1024;
const maxAttempts = 3;
/** longer than envelopes overtake each other on one way, shorter than a sender waits for its answer */
const gapPatienceMs = 1_000;
const maxHeldBytes = 32 * 1024 * 1024;
/** until it is looked for what a write left that failed, when nothing else is written */
const settleAfterMs = { first: 50, last: 5_000 };
/** nothing has arrived */
const nothing: Arrival = { first: 1, last: 0, floor: 0, since: 0, messages: [] };

export interface Arrival {
  first: number;
  last: number;
  /** the origin's signed floor */
  floor: number;
  /** from here to the floor each sequence was stored here and receipted; 0: not known */
  since: number;
  messages: readonly BusMessage[];
}

interface Job {
  arrival: Arrival;
  bytes: number;
  /** refuses it while it is held back */
  timer?: NodeJS.Timeout;
  resolve: (received: RangeSet) => void;
  reject: (error: unknown) => void;
}

export interface FlowWriterOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  stream: ArrivalPlace;
  flow: Flow;
  macKey: Uint8Array;
  /** of the stream */
  hold: StreamHold;
  /** told of every message stored, for metrics */
  onStored: (messages: number) => void;
  /** told of sequences that were receipted and are not here any more; `isNews` when they were not known before */
  onLost: (lost: RangeSet, isNews: boolean) => void;
  /** the subject to store it under, when not its own, and more header lines of the bus, each ending in CRLF */
  dress?: (message: BusMessage) => { subject: string; lines: string };
  /** whether the order of the flow counts; it does not when absent */
  isOrdered?: () => boolean;
  /** how often nats-server was found unable to store, as after a full disk: what it confirmed before may not be there */
  storageFailures?: () => number;
}

export class FlowWriter {
  readonly #options: FlowWriterOptions;
  readonly #store: MarkerStore;
  /** as of the marker that was read last */
  #failuresSeen = 0;
  /** since the server or this process began, or an answer stayed away, it was looked for what lies behind the marker */
  #hasSearched = false;
  /** stored in part, for all that is known */
  #open: OpenBatch | undefined;
  #settleTimer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #failedInTurn = 0;
  /** sequences were found that no stored marker tells of */
  #isUnsaved = false;
  #marker: StoredMarker | undefined;
  #jobs: Job[] = [];
  /** behind a gap */
  #held: Job[] = [];
  #isWriting = false;
  readonly #timestamps = new Timestamps();

  constructor(options: FlowWriterOptions) {
    this.#options = options;
    this.#store = new MarkerStore(options);
  }

  /** What is stored may not be what was: the marker is read again before anything is written. */
  forget(): void {
    this.#marker = undefined;
    this.#hasSearched = false;
  }

  /** Stores the arrival once; resolves with all that is stored of the flow. E_STREAM_FULL E_GAP E_NATS E_MARKER_BAD */
  write(arrival: Arrival): Promise<RangeSet> {
    return new Promise((resolve, reject) => {
      const bytes = arrival.messages.reduce((sum, message) => sum + message.payload.length + 256, 0);
      this.#jobs.push({ arrival, bytes, resolve, reject });
      if (!this.#isWriting) void this.#drain();
    });
  }

  /** Finds what an earlier write left, and has a marker tell of it. E_STREAM_FULL E_NATS E_MARKER_BAD */
  async settle(): Promise<void> {
    await this.write(nothing);
  }

  /** Its stream is written no more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#settleTimer);
  }

  async #drain(): Promise<void> {
    this.#isWriting = true;
    while (this.#jobs.length > 0) {
      let jobs = this.#nextJobs();
      try {
        if (this.#options.isOrdered?.() === true) jobs = await this.#inOrder(jobs);
        if (jobs.length === 0) continue;
        const received = await this.#commitAll(jobs.map((job) => job.arrival));
        for (const job of jobs) job.resolve(received);
      } catch (error) {
        if (isBusError(error, 'E_STREAM_FULL')) await this.#storeWhatFits(jobs);
        else for (const job of jobs) job.reject(error);
      }
      this.#jobs.unshift(...this.#held.splice(0));
    }
    this.#isWriting = false;
    this.#settleLater();
  }

  /** The flow may be silent from now on, and the hold waits for it. */
  #settleLater(): void {
    if (this.#open === undefined || this.#isClosed || this.#settleTimer !== undefined) return;
    const { first, last } = settleAfterMs;
    const settle = (): void => {
      this.#settleTimer = undefined;
      this.settle().catch(() => undefined);
    };
    this.#settleTimer = setTimeout(settle, backoffMs(this.#failedInTurn, first, last)).unref();
  }

  /** The jobs that follow what is stored, and one another; the others are held back until something was stored. */
  async #inOrder(jobs: readonly Job[]): Promise<Job[]> {
    const marker = await this.#current();
    let reached = marker.received.mark;
    const next: Job[] = [];
    for (const job of [...jobs].sort((a, b) => a.arrival.first - b.arrival.first)) {
      const { first, last, floor, since } = job.arrival;
      if (since === 0 || first <= Math.max(reached + 1, floor + 1, since)) {
        clearTimeout(job.timer);
        reached = Math.max(reached, last);
        next.push(job);
      } else this.#hold(job);
    }
    return next;
  }

  #hold(job: Job): void {
    const refuse = (): void => {
      this.#held = this.#held.filter((each) => each !== job);
      this.#jobs = this.#jobs.filter((each) => each !== job);
      job.reject(gapBefore(job.arrival));
    };
    const heldBytes = this.#held.reduce((sum, { bytes }) => sum + bytes, job.bytes);
    if (heldBytes > maxHeldBytes) refuse();
    else {
      job.timer ??= setTimeout(refuse, gapPatienceMs).unref();
      this.#held.push(job);
    }
  }

  /** As many waiting arrivals as one batch holds: small envelopes share a commit. */
  #nextJobs(): Job[] {
    let count = 0;
    let messages = 0;
    let bytes = 0;
    for (const { arrival, bytes: size } of this.#jobs) {
      const isTooMuch = messages + arrival.messages.length > MAX_MESSAGES || bytes + size > maxBatchBytes;
      if (count > 0 && isTooMuch) break;
      count += 1;
      messages += arrival.messages.length;
      bytes += size;
    }
    return this.#jobs.splice(0, count);
  }

  /** A stream that has no room for all of it may have room for some: the rest is refused, and comes again. */
  async #storeWhatFits(jobs: readonly Job[]): Promise<void> {
    let isCut = false;
    for (const job of jobs) {
      try {
        if (isCut) throw gapBefore(job.arrival);
        job.resolve(await this.#storeInParts(job.arrival));
      } catch (error) {
        isCut = this.#options.isOrdered?.() === true;
        job.reject(error);
      }
    }
  }

  /** Halves the arrival until a part fits; an arrival larger than the whole stream gets in piece by piece. */
  async #storeInParts(arrival: Arrival): Promise<RangeSet> {
    try {
      return await this.#commitAll([arrival]);
    } catch (error) {
      const halves = isBusError(error, 'E_STREAM_FULL') ? halve(arrival) : null;
      if (halves === null) throw error;
      await this.#storeInParts(halves[0]);
      return this.#storeInParts(halves[1]);
    }
  }

  async #commitAll(arrivals: readonly Arrival[]): Promise<RangeSet> {
    for (let attempt = 1; ; attempt++) {
      if (this.#failuresSeen !== this.#failures) this.forget();
      let marker = await this.#current();
      try {
        if (this.#isUnsaved) marker = await this.#save(marker);
        return await this.#commit(marker, arrivals);
      } catch (error) {
        this.#failed();
        const isUnclear = isBusError(error, 'E_CONFLICT', 'E_NATS');
        if (!isUnclear || attempt >= maxAttempts) throw error;
      }
    }
  }

  /** Has a marker tell of what was found: a torn batch may fill its stream to the brim, so this gets room. */
  async #save(marker: StoredMarker): Promise<StoredMarker> {
    try {
      await this.#commit(marker, []);
    } catch (error) {
      if (!isBusError(error, 'E_STREAM_FULL')) throw error;
      await this.#options.hold.withRoom(() => this.#commit(marker, []));
    }
    return this.#current();
  }

  async #current(): Promise<StoredMarker> {
    try {
      this.#marker ??= await this.#readMarker();
      return this.#marker;
    } catch (error) {
      this.#failed();
      // a flow with a forged marker takes nothing more: the others do not wait for it
      if (isBusError(error, 'E_MARKER_BAD')) this.#settled();
      throw error;
    }
  }

  #failed(): void {
    this.forget();
    this.#failedInTurn += 1;
  }

  /** Commits what is missing of the arrivals; with nothing missing it writes nothing. */
  async #commit(marker: StoredMarker, arrivals: readonly Arrival[]): Promise<RangeSet> {
    const { nc, flow, hold, onStored, onLost } = this.#options;
    const received = marker.received.clone();
    const lost = marker.lost.clone();
    const batch: BatchMessage[] = [];
    let floor = marker.floor;
    let isNews = this.#isUnsaved;
    for (const arrival of arrivals) {
      floor = Math.max(floor, arrival.floor);
      const settled = Math.min(floor, arrival.first - 1);
      for (const [first, last] of lostOf(received, arrival)) lost.add(first, last);
      received.prune(settled);
      if (received.covers(arrival.first, arrival.last)) continue;
      isNews = true;
      for (const message of arrival.messages) {
        if (!received.has(message.seq)) batch.push(this.#toBatchMessage(message));
      }
      received.add(arrival.first, arrival.last);
    }
    if (!isNews) return received;
    const next = { floor, received, lost };
    const stored = batch.length;
    batch.push(this.#store.message(marker, next));
    this.#open ??= hold.begin();
    const seq = await publishBatch(nc, batch, batchName(flow));
    this.#marker = this.#store.stored(marker, next, seq);
    this.#settled(seq);
    onStored(stored);
    if (!lost.equals(marker.lost)) onLost(lost, true);
    return received;
  }

  /** Markers tell of all that is stored; of the last one as `seq`. */
  #settled(seq = 0): void {
    const open = this.#open;
    this.#isUnsaved = false;
    this.#open = undefined;
    this.#failedInTurn = 0;
    if (open !== undefined) this.#options.hold.settle(open);
    this.#options.hold.saw(seq);
  }

  /** The original subject under the stream's secret; the bus's own headers beside the application's. */
  #toBatchMessage(message: BusMessage): BatchMessage {
    const { stream, flow, dress } = this.#options;
    const dressed = dress?.(message) ?? { subject: message.subject, lines: '' };
    const { lines, msgId } = filterHeaders(message.headers);
    const msgIdLine = msgId === null ? '' : `Mb-Msg-Id: ${msgId}\r\n`;
    const origin = `Mb-Origin: ${flow.originId} ${message.seq}\r\n`;
    return {
      subject: stream.arrivalPrefix + dressed.subject,
      headerLines: `${lines}Mb-Time: ${this.#timestamps.of(message.timeNs)}\r\n${origin}${msgIdLine}${dressed.lines}`,
      payload: message.payload,
    };
  }

  get #failures(): number {
    return this.#options.storageFailures?.() ?? 0;
  }

  async #readMarker(): Promise<StoredMarker> {
    const failures = this.#failures;
    const marker = await this.#store.read();
    const unmarked = this.#hasSearched ? [] : await this.#storedBehind(marker.seq);
    for (const seq of unmarked) marker.received.add(seq);
    this.#isUnsaved = unmarked.length > 0;
    // what was found is looked for again until a marker tells of it
    this.#hasSearched = unmarked.length === 0;
    if (this.#hasSearched) this.#settled(marker.seq);
    this.#failuresSeen = failures;
    if (marker.lost.last > 0) this.#options.onLost(marker.lost, false);
    return marker;
  }

  /** Sequences of the flow that its marker does not tell of. */
  async #storedBehind(markerSeq: number): Promise<number[]> {
    const { flow, hold } = this.#options;
    const traces = await hold.tracesBehind(markerSeq);
    const isOfFlow = ({ originId, incarnation }: BatchTrace): boolean =>
      originId === flow.originId && incarnation === flow.incarnation;
    return traces.filter(isOfFlow).map(({ originSeq }) => originSeq);
  }
}

/** What the origin has this terminal's receipt for and the marker does not know: the disk is older than the receipt. */
function lostOf(received: RangeSet, { since, floor, first }: Arrival): [first: number, last: number][] {
  return since === 0 ? [] : received.missing(since, Math.min(floor, first - 1));
}

function gapBefore({ first }: Arrival): BusError {
  return new BusError('E_GAP', `what comes before ${first} of the flow is not here yet`);
}

/** Two arrivals that cover what the one does; null when it cannot be parted. */
function halve(arrival: Arrival): [Arrival, Arrival] | null {
  const middle = arrival.messages.length >> 1;
  const border = arrival.messages[middle];
  if (middle === 0 || border === undefined) return null;
  return [
    { ...arrival, last: border.seq - 1, messages: arrival.messages.slice(0, middle) },
    { ...arrival, first: border.seq, messages: arrival.messages.slice(middle) },
  ];
}

/** RFC 3339 with nanoseconds, as JetStream prints its own; a batch mostly lies within a few seconds. */
class Timestamps {
  #second = -1n;
  #text = '';

  of(timeNs: bigint): string {
    const second = timeNs / 1_000_000_000n;
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(Number(second) * 1_000).toISOString().slice(0, -4);
    }
    return `${this.#text}${String(timeNs - second * 1_000_000_000n).padStart(9, '0')}Z`;
  }
}
