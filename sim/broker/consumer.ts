/**
 * A consumer of a stream: where it stands, the pulls that wait, and deliveries into them. A reset goes back to the ack floor,
 * or anywhere, and keeps the pulls. A server with leaf links believes in a pull for two seconds after it came, whoever listens: what is
 * delivered into nothing burns delivery numbers and is delivered again, to whichever pull is next.
 */
import { headerBlock } from './headers.ts';
import type { Packet, StoredMessage, Stream } from './stream.ts';

export interface ConsumerConfig {
  name: string;
  durable_name?: string;
  ack_policy: 'all' | 'explicit' | 'none' | 'flow_control';
  deliver_policy?: string;
  opt_start_seq?: number;
  max_ack_pending?: number;
  filter_subjects?: string[];
  headers_only?: boolean;
  metadata?: Record<string, string>;
  [other: string]: unknown;
}

export interface Position {
  consumer_seq: number;
  stream_seq: number;
}

interface Pull {
  inbox: string;
  left: number;
  /** 0: no bound */
  bytesLeft: number;
  sinceMs: number;
}

export interface ConsumerHooks {
  nowMs: () => number;
  /** calls back after so many milliseconds, unless the server is dead by then */
  later: (ms: number, work: () => void) => void;
  /** a delivery bears the subject it was published on, wherever it is sent */
  send: (inbox: string, packet: Packet) => void;
  /** whether somebody listens there */
  hasInterest: (subject: string) => boolean;
}

const historyMs = 400;
const believedMs = 2_000;
const bounceMs = 25;
const noBytes = new Uint8Array(0);

export class Consumer {
  config: ConsumerConfig;
  delivered: Position;
  floor: Position;
  readonly #stream: Stream;
  #hooks: ConsumerHooks;
  #pulls: Pull[] = [];
  /** sequences that came into nothing */
  #bounced: number[] = [];
  #history: { atMs: number; delivered: Position; floor: Position }[] = [];

  constructor(stream: Stream, config: ConsumerConfig, hooks: ConsumerHooks) {
    this.#stream = stream;
    this.config = config;
    this.#hooks = hooks;
    const start = startOf(stream, config);
    this.delivered = { consumer_seq: 0, stream_seq: start };
    this.floor = { ...this.delivered };
  }

  get waiting(): number {
    return this.#pulls.length;
  }

  /** messages after the last delivery */
  get pending(): number {
    let count = 0;
    for (const message of this.#stream.messages.values()) if (this.#isNext(message)) count += 1;
    return count;
  }

  pull(inbox: string, request: { batch?: number; max_bytes?: number; expires?: number }): void {
    const pull = { inbox, left: request.batch ?? 1, bytesLeft: request.max_bytes ?? 0, sinceMs: this.#hooks.nowMs() };
    this.#pulls.push(pull);
    this.#hooks.later((request.expires ?? 30e9) / 1e6, () => this.#expire(pull));
    this.deliver();
  }

  /** Hands out what there is to the pulls that wait. */
  deliver(): void {
    for (let pull = this.#nextPull(); pull !== undefined; pull = this.#nextPull()) {
      const message = this.#next();
      if (message === undefined || this.#isHeldBack()) return;
      const size = this.config.headers_only === true ? 0 : message.size;
      if (pull.bytesLeft > 0 && size > pull.bytesLeft) {
        this.#end(pull, '409 Message Size Exceeds MaxBytes');
        continue;
      }
      this.#hand(pull, message, size);
    }
  }

  /** `$JS.ACK.…`: up to here with ack all, this one otherwise. */
  acknowledge(streamSeq: number, consumerSeq: number): void {
    const { ack_policy: policy } = this.config;
    if (policy !== 'all' || streamSeq <= this.floor.stream_seq || consumerSeq <= this.floor.consumer_seq) return;
    this.#remember();
    this.floor = { consumer_seq: consumerSeq, stream_seq: streamSeq };
    this.#stream.settle();
  }

  /** Takes one for an application that has acknowledged it at once. */
  consume(message: StoredMessage): void {
    this.#remember();
    this.delivered = { consumer_seq: this.delivered.consumer_seq + 1, stream_seq: message.seq };
    this.floor = { ...this.delivered };
    this.#stream.consume(message.seq);
  }

  /** Back to the ack floor, or with a sequence to just before that. */
  reset(seq: number | undefined): void {
    this.#remember();
    this.#bounced = [];
    if (seq !== undefined) this.floor = { consumer_seq: 0, stream_seq: seq - 1 };
    this.delivered = { ...this.floor };
    this.#stream.release();
  }

  /** The server was killed: pulls are gone, and the position may be an older one. */
  crash(sinceMs: number): void {
    this.#pulls = [];
    this.#bounced = [];
    const older = this.#history.find(({ atMs }) => atMs >= sinceMs);
    if (older !== undefined) {
      this.delivered = { ...older.delivered };
      this.floor = { ...older.floor };
    }
    this.#history = [];
  }

  /** The server that was started anew has it now. */
  attach(hooks: ConsumerHooks): void {
    this.#hooks = hooks;
  }

  /** It was deleted: whoever pulls is told. */
  close(): void {
    for (const pull of [...this.#pulls]) this.#end(pull, '409 Consumer Deleted');
  }

  #hand(pull: Pull, message: StoredMessage, size: number): void {
    this.#remember();
    const { consumer_seq: number, stream_seq: seq } = this.delivered;
    this.delivered = { consumer_seq: number + 1, stream_seq: Math.max(seq, message.seq) };
    this.#bounced = this.#bounced.filter((each) => each !== message.seq);
    if (!this.#hooks.hasInterest(pull.inbox)) this.#bounce(message);
    if (this.config.ack_policy === 'none') this.floor = { ...this.delivered };
    pull.left -= 1;
    if (pull.bytesLeft > 0) pull.bytesLeft = Math.max(1, pull.bytesLeft - size);
    // pulls take turns
    this.#pulls = this.#pulls.filter((each) => each !== pull);
    if (pull.left > 0) this.#pulls.push(pull);
    const { subject } = message;
    this.#hooks.send(pull.inbox, { ...this.#contentOf(message), subject, reply: this.#ackSubject(message) });
  }

  #contentOf(message: StoredMessage): Pick<Packet, 'headers' | 'data'> {
    if (this.config.headers_only !== true) return message;
    const block = Buffer.from(message.headers ?? headerBlock(''));
    const size = Buffer.from(`Nats-Msg-Size: ${message.data.length}\r\n\r\n`);
    return { headers: Buffer.concat([block.subarray(0, -2), size]), data: noBytes };
  }

  #ackSubject({ seq, atMs }: StoredMessage): string {
    const { consumer_seq: delivery } = this.delivered;
    const timeNs = `${Math.round(atMs * 1e3)}000`;
    return `$JS.ACK.${this.#stream.name}.${this.config.name}.1.${seq}.${delivery}.${timeNs}.${this.pending}`;
  }

  #isHeldBack(): boolean {
    const max = this.config.max_ack_pending ?? 0;
    return this.config.ack_policy !== 'none' && max > 0 && this.delivered.consumer_seq - this.floor.consumer_seq >= max;
  }

  #next(): StoredMessage | undefined {
    for (const seq of this.#bounced) {
      const message = this.#stream.messages.get(seq);
      if (message !== undefined) return message;
    }
    for (const message of this.#stream.messages.values()) if (this.#isNext(message)) return message;
    return undefined;
  }

  #isNext({ seq, subject }: StoredMessage): boolean {
    if (seq <= this.delivered.stream_seq) return false;
    const filters = this.config.filter_subjects;
    return filters === undefined || filters.some((each) => each === subject || subject.startsWith(each.slice(0, -1)));
  }

  /** The pull whose turn it is; one that nobody listens to is believed in for a while. */
  #nextPull(): Pull | undefined {
    const { nowMs, hasInterest } = this.#hooks;
    const isBelieved = (pull: Pull): boolean => nowMs() - pull.sinceMs < believedMs || hasInterest(pull.inbox);
    while (this.#pulls[0] !== undefined && !isBelieved(this.#pulls[0])) this.#pulls.shift();
    return this.#pulls[0];
  }

  #bounce({ seq }: StoredMessage): void {
    this.#hooks.later(bounceMs, () => {
      if (seq <= this.floor.stream_seq || seq > this.delivered.stream_seq) return;
      this.#bounced.push(seq);
      this.deliver();
    });
  }

  #expire(pull: Pull): void {
    if (this.#pulls.includes(pull)) this.#end(pull, '408 Request Timeout');
  }

  #end(pull: Pull, status: string): void {
    this.#pulls = this.#pulls.filter((each) => each !== pull);
    const headers = headerBlock(status, { 'Nats-Pending-Messages': pull.left, 'Nats-Pending-Bytes': pull.bytesLeft });
    this.#hooks.send(pull.inbox, { subject: pull.inbox, reply: '', headers, data: noBytes });
  }

  #remember(): void {
    const atMs = this.#hooks.nowMs();
    while ((this.#history[0]?.atMs ?? atMs) < atMs - historyMs) this.#history.shift();
    this.#history.push({ atMs, delivered: { ...this.delivered }, floor: { ...this.floor } });
  }
}

function startOf(stream: Stream, { deliver_policy: policy, opt_start_seq: start }: ConsumerConfig): number {
  if (policy === 'new') return stream.lastSeq;
  if (policy === 'by_start_sequence') return Math.max(0, (start ?? 1) - 1);
  return 0;
}
