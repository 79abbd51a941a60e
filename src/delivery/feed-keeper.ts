/**
 * Keeps a group stream's place in its feed, because the server reads it from there when it starts.
 *
 * The server goes on sourcing behind the newest message it holds that bears a source header, and where it holds none,
 * behind what the feed's durable has on disk as acknowledged, which lags: those messages would come twice. So a second
 * durable, the keeper, has interest in every message. It gives up the newest sourced one only once a newer one is stored,
 * or in quiet times, once the feed's own account covers it and has had time to reach the disk.
 *
 *   sourced 7 ──▶ held ──sourced 8──▶ given up            quiet: held ──feed covers 8, still so a second later──▶ given up
 *
 * While nobody answers for it, consumed messages stay, up to the group's maxBytes. docs/decisions/0010.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
} from '@nats-io/jetstream';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { parseAckSubject } from '../capture/index.ts';
import { isBusError } from '../errors.ts';
import { apiCode, natsCall, orNull } from '../nats/index.ts';
import type { FeedSource } from './group-stream.ts';
import { isGivenUp } from './stream-hold.ts';

const durable = 'mb-keep';
const sourceHeader = 'Nats-Stream-Source';
/** what an earlier life was told and did not settle comes again after this */
const ackWaitNs = 5e9;
const maxAckPending = 20_000;
/** the feed acknowledges with its heartbeats, one a second; the server writes that down a tenth of a second later */
const lookMs = 1_000;

/** Creates the keeper of a group stream, or finds it; before the stream gets its source. */
export async function ensureKeeper(jsm: JetStreamManager, stream: string, deliverSubject: string): Promise<void> {
  if ((await keeperOf(jsm, stream)) !== null) return;
  const config: Partial<ConsumerConfig> = {
    durable_name: durable,
    deliver_subject: deliverSubject,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ackWaitNs,
    max_ack_pending: maxAckPending,
    headers_only: true,
  };
  await natsCall(`create keeper of ${stream}`, () => jsm.consumers.add(stream, config));
}

/** Gives up its interest: what consumers have acknowledged goes. */
export async function deleteKeeper(jsm: JetStreamManager, stream: string): Promise<void> {
  await orNull(
    natsCall(`delete keeper of ${stream}`, () => jsm.consumers.delete(stream, durable)),
    apiCode.consumerNotFound,
  );
}

/**
 * Whether neither the stream's place in its feed nor its hold depends on a message up to `seq`: what consumers
 * acknowledged of them is gone, and the rest may be deleted.
 */
export async function isReleased(jsm: JetStreamManager, stream: string, seq: number): Promise<boolean> {
  if (!(await isGivenUp(jsm, stream, seq))) return false;
  const info = await keeperOf(jsm, stream);
  if (info === null || info.ack_floor.stream_seq >= seq) return true;
  return info.num_pending === 0 && info.num_ack_pending === 0;
}

function keeperOf(jsm: JetStreamManager, stream: string): Promise<ConsumerInfo | null> {
  return orNull(
    natsCall(`keeper of ${stream}`, () => jsm.consumers.info(stream, durable)),
    apiCode.consumerNotFound,
  );
}

interface Newest {
  seq: number;
  /** in the feed's stream */
  sourceSeq: number;
  /** gives it up */
  ackSubject: string;
  /** the life of the server in which the feed was seen to cover it */
  coveredIn: string | undefined;
}

/** Answers for the keeper of one group stream. */
export class FeedKeeper {
  readonly deliverSubject: string;
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #feed: Pick<FeedSource, 'stream' | 'durable'>;
  readonly #subscription: Subscription;
  /** told of the stream sequence of every message */
  readonly #onSeen: ((seq: number) => void) | undefined;
  /** the newest sourced message, undefined once it was given up without a newer one */
  #newest: Newest | undefined;
  #newestSeq = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    { nc, jsm }: { nc: NatsConnection; jsm: JetStreamManager },
    place: { deliverSubject: string; feed: Pick<FeedSource, 'stream' | 'durable'>; onSeen?: (seq: number) => void },
  ) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#feed = place.feed;
    this.#onSeen = place.onSeen;
    this.deliverSubject = place.deliverSubject;
    this.#subscription = nc.subscribe(place.deliverSubject, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#subscription.unsubscribe();
  }

  #receive(message: Msg): void {
    const ackSubject = message.reply ?? '';
    if (!ackSubject.startsWith('$JS.ACK.')) return;
    const { seq } = parseAckSubject(ackSubject);
    this.#onSeen?.(seq);
    // `<stream>:<hash> <sequence there> ...`
    const source = message.headers?.get(sourceHeader) ?? '';
    if (source === '' || seq < this.#newestSeq) {
      this.#nc.publish(ackSubject);
      return;
    }
    if (this.#newest !== undefined && seq > this.#newest.seq) this.#nc.publish(this.#newest.ackSubject);
    this.#newestSeq = seq;
    this.#newest = { seq, sourceSeq: Number(source.split(' ')[1]), ackSubject, coveredIn: undefined };
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), lookMs);
  }

  /** Gives up what the feed covers now and covered a second ago, in the same life of the server. */
  async #look(): Promise<void> {
    const newest = this.#newest;
    if (newest === undefined) return;
    try {
      const isCovered = (await this.#feedFloor()) >= newest.sourceSeq;
      const life = isCovered ? this.#nc.info?.server_id : undefined;
      if (newest !== this.#newest || this.#isStopped) return;
      if (life !== undefined && newest.coveredIn === life) {
        this.#nc.publish(newest.ackSubject);
        this.#newest = undefined;
        return;
      }
      newest.coveredIn = life;
    } catch (error) {
      if (!isBusError(error)) throw error;
      newest.coveredIn = undefined;
    }
    this.#lookLater();
  }

  async #feedFloor(): Promise<number> {
    const { stream, durable: feed } = this.#feed;
    const info = await natsCall(`feed ${feed}`, () => this.#jsm.consumers.info(stream, feed));
    return info.ack_floor.stream_seq;
  }
}
