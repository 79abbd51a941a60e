/**
 * All that arrivals write into one group stream: a writer for each flow, and the hold under them. At the start of each life,
 * the sidecar's or nats-server's, everything held is settled by the writers of its flows, whether these are heard of
 * again or not; only then does the hold go on.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { backoffMs } from '../backoff.ts';
import { type Flow, flowKey, type RangeSet } from '../envelope/index.ts';
import { errorText, isBusError } from '../errors.ts';
import { FlowWriter } from './flow-writer.ts';
import type { ArrivalPlace } from './group-stream.ts';
import { StreamHold } from './stream-hold.ts';
import type { BatchTrace } from './torn-batch.ts';

export interface StreamWritersOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  macKey: Uint8Array;
  stream: ArrivalPlace;
  topicId: string;
  onStored: (messages: number) => void;
  onLost: (flow: Flow, lost: RangeSet, isNews: boolean) => void;
  isOrdered: () => boolean;
  storageFailures: () => number;
}

const againMs = { first: 100, last: 5_000 };
/** what came otherwise than through here, and a hold that was made anew or went back, are seen within this */
const lookMs = 10_000;

export class StreamWriters {
  readonly stream: ArrivalPlace;
  readonly #options: StreamWritersOptions;
  readonly #hold: StreamHold;
  readonly #writers = new Map<string, FlowWriter>();
  #isReviewing = false;
  /** a new life began while the last one was looked at */
  #isStale = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #looking: NodeJS.Timeout;
  #isClosed = false;
  #problem = '';

  constructor(options: StreamWritersOptions) {
    this.#options = options;
    this.stream = options.stream;
    this.#hold = new StreamHold(options);
    this.#looking = setInterval(() => void this.look(), lookMs).unref();
    this.reconnected();
  }

  /** Why messages stay although they are consumed, for people; empty when they do not. */
  get problem(): string {
    return this.#problem || this.#hold.problem;
  }

  of(flow: Flow): FlowWriter {
    const key = flowKey(flow);
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      const onLost = (lost: RangeSet, isNews: boolean): void => this.#options.onLost(flow, lost, isNews);
      writer = new FlowWriter({ ...this.#options, flow, hold: this.#hold, onLost });
      this.#writers.set(key, writer);
    }
    return writer;
  }

  /** A message of that sequence is in the stream, whoever wrote it. */
  saw(seq: number): void {
    this.#hold.saw(seq);
  }

  /** Sees what others have written by now. */
  async look(): Promise<void> {
    try {
      await this.#hold.look();
    } catch (error) {
      if (!isBusError(error)) throw error;
    }
  }

  /** nats-server may have another life: what is stored is looked at again. */
  reconnected(): void {
    for (const writer of this.#writers.values()) writer.forget();
    this.#hold.suspend();
    this.#isStale = true;
    if (!this.#isReviewing) void this.#review(1);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#looking);
    this.#hold.close();
    for (const writer of this.#writers.values()) writer.close();
  }

  async #review(attempt: number): Promise<void> {
    this.#isReviewing = true;
    try {
      do {
        this.#isStale = false;
        await this.#settleFlows(await this.#hold.held());
        await this.#hold.look();
      } while (this.#isStale);
      this.#hold.resume();
      this.#isReviewing = false;
      this.#problem = '';
    } catch (error) {
      if (!isBusError(error)) throw error;
      if (this.#isClosed) return;
      this.#problem = `what arrived last is looked for again: ${errorText(error)}`;
      this.#isStale = true;
      const waitMs = backoffMs(attempt, againMs.first, againMs.last);
      this.#timer = setTimeout(() => void this.#review(attempt + 1), waitMs).unref();
    }
  }

  async #settleFlows(traces: readonly BatchTrace[]): Promise<void> {
    const { topicId } = this.#options;
    const flows = new Map<string, Flow>();
    for (const { originId, incarnation } of traces) {
      const flow = { originId, incarnation, topicId };
      flows.set(flowKey(flow), flow);
    }
    for (const flow of flows.values()) {
      if (this.#isClosed) return;
      try {
        await this.of(flow).settle();
      } catch (error) {
        // such a flow stores nothing until somebody has looked at it
        if (!isBusError(error, 'E_MARKER_BAD')) throw error;
      }
    }
  }
}
