/**
 * Keeps in a group stream what no marker tells of yet, whoever has consumed it: the next life must find it, or it would
 * take the same messages once more.
 *
 *   batch and marker stored ──hold set forward──▶ goes as soon as it is consumed
 *   batch cut short ──▶ held ──found, marker written──▶ settled ──hold set forward──▶ goes
 *
 * A durable of the bus has interest in every message. Nothing is delivered on it: it is set forward (CONSUMER.RESET,
 * ADR-60), and a stream with interest retention lets go at once of what consumers have acknowledged up to there.
 * docs/decisions/0015.
 */
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { natsCall } from '../nats/index.ts';
import { inTurns } from '../turns.ts';
import { createHold, deleteHold, Hold, heldBehind } from './hold.ts';
import { type BatchTrace, tracesBehind } from './torn-batch.ts';

const durable = 'mb-hold';
/** how far a search goes back at least, for a marker that a full disk lost: a batch of each of a few flows */
const tailMessages = 4_000;
/** for the markers that settle a full stream */
const spareBytes = 1024 * 1024;

/** Creates the hold of a stream, or finds it. What was stored before there was one is not held. E_NATS */
export async function ensureStreamHold(jsm: JetStreamManager, stream: string): Promise<void> {
  if ((await heldBehind(jsm, { stream, durable })) !== null) return;
  const { state } = await natsCall(`stream ${stream}`, () => jsm.streams.info(stream));
  await createHold(jsm, { stream, durable }, state.last_seq);
}

/** Gives up its interest. E_NATS */
export function deleteStreamHold(jsm: JetStreamManager, stream: string): Promise<void> {
  return deleteHold(jsm, { stream, durable });
}

/** Whether the hold has given up everything up to `seq`, or there is none. E_NATS */
export async function isGivenUp(jsm: JetStreamManager, stream: string, seq: number): Promise<boolean> {
  return ((await heldBehind(jsm, { stream, durable })) ?? seq) >= seq;
}

/** A batch that may be stored in part; nothing behind `after` is given up until it is settled. */
export interface OpenBatch {
  readonly after: number;
}

/** What was read of the stream in this life. */
interface Found {
  after: number;
  upTo: number;
  traces: readonly BatchTrace[];
}

const nothingRead: Found = { after: 0, upTo: -1, traces: [] };

export class StreamHold {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #stream: string;
  readonly #hold: Hold;
  /** of nats-server: what was read in an earlier one says nothing */
  #life = 0;
  /** the newest sequence that is known of */
  #seen = 0;
  #found: Found = nothingRead;
  readonly #open = new Set<OpenBatch>();
  readonly #suspension: OpenBatch = { after: 0 };
  readonly #inTurn = inTurns();
  /** the stream's own, while it takes more */
  #limit: number | undefined;

  constructor({ nc, jsm, stream }: { nc: NatsConnection; jsm: JetStreamManager; stream: { name: string } }) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#stream = stream.name;
    this.#hold = new Hold(jsm, { stream: stream.name, durable });
  }

  /** Why consumed messages stay, for people; empty when they do not. */
  get problem(): string {
    return this.#hold.problem;
  }

  close(): void {
    this.#hold.close();
  }

  /** Before a batch is published. */
  begin(): OpenBatch {
    const batch = { after: this.#settledUpTo };
    this.#open.add(batch);
    return batch;
  }

  /** The batch is stored as a whole or not at all, or a marker tells what is. */
  settle(batch: OpenBatch): void {
    this.#open.delete(batch);
    this.saw(0);
  }

  /** There is a message of that sequence. */
  saw(seq: number): void {
    this.#seen = Math.max(this.#seen, seq);
    this.#hold.to(this.#settledUpTo);
  }

  /** Sees whatever there is by now, and where the hold stands: a step that got no answer may come after a later one. E_NATS */
  async look(): Promise<void> {
    const life = this.#life;
    const last = await this.#lastSeq();
    await this.#hold.read(last);
    if (life === this.#life) this.saw(last);
  }

  /** What batches stored behind `seq` that is held, or among the last 4,000 messages. E_NATS */
  tracesBehind(seq: number): Promise<BatchTrace[]> {
    return this.#search((position, last) => Math.max(seq, Math.min(position, last - tailMessages)));
  }

  /** What batches stored that is held. E_NATS */
  held(): Promise<BatchTrace[]> {
    return this.#search((position) => position);
  }

  /** From `behind` to the stream's end; each part is read once in a life. */
  #search(behind: (position: number, last: number) => number): Promise<BatchTrace[]> {
    return this.#inTurn(async () => {
      const life = this.#life;
      const last = await this.#lastSeq();
      const position = Math.min(this.#hold.position ?? (await this.#hold.read(last)) ?? last, last);
      const after = Math.max(0, behind(position, last));
      const isRead = this.#found.after <= after && after <= this.#found.upTo;
      const found = isRead ? this.#found : { after, upTo: after, traces: [] };
      const more = await tracesBehind(this.#nc, this.#stream, { after: found.upTo, last });
      const traces = [...found.traces, ...more];
      const keptFrom = Math.max(found.after, Math.min(position, last - tailMessages));
      const kept = { after: keptFrom, upTo: last, traces: traces.filter(({ seq }) => seq > keptFrom) };
      if (life === this.#life) this.#found = kept;
      return traces.filter(({ seq }) => seq > after);
    });
  }

  /** nats-server may have another life, and an older disk: nothing is given up until `resume`. */
  suspend(): void {
    this.#life += 1;
    this.#open.add(this.#suspension);
    this.#hold.suspend();
    this.#seen = 0;
    this.#found = nothingRead;
  }

  /** Everything that was held is settled. */
  resume(): void {
    this.settle(this.#suspension);
  }

  /**
   * Runs `work` while a full stream takes a little more. A torn batch may fill it to its brim: nothing of it leaves before a
   * marker tells of it, and the marker needs room. E_NATS and those of `work`
   */
  withRoom<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const { config, state } = await this.#info();
      if (config.max_bytes <= 0) return work();
      this.#limit ??= config.max_bytes;
      try {
        await this.#resize(Math.max(config.max_bytes, state.bytes) + spareBytes);
        return await work();
      } finally {
        await this.#resize(this.#limit);
        this.#limit = undefined;
      }
    });
  }

  async #resize(maxBytes: number): Promise<void> {
    const { config } = await this.#info();
    await natsCall(`stream ${this.#stream}`, () =>
      this.#jsm.streams.update(this.#stream, { ...config, max_bytes: maxBytes }),
    );
  }

  #info(): Promise<StreamInfo> {
    return natsCall(`stream ${this.#stream}`, () => this.#jsm.streams.info(this.#stream));
  }

  get #settledUpTo(): number {
    let upTo = this.#seen;
    for (const { after } of this.#open) upTo = Math.min(upTo, after);
    return upTo;
  }

  async #lastSeq(): Promise<number> {
    return (await this.#info()).state.last_seq;
  }
}
