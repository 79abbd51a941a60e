/**
 * Keeps a group stream's place in its feed, because the server reads it from there when it starts, and keeps in the feed's
 * stream what the group's stream does not hold yet.
 *
 * The server goes on sourcing behind the newest message it holds that bears a source header, and where it holds none,
 * behind what the feed's durable has on disk as acknowledged, which lags: those messages would come twice. So a second
 * durable, the keeper, has interest in every message. It gives up the newest sourced one only once a newer one is stored,
 * or in quiet times, once the feed's own account covers it and has had time to reach the disk.
 *
 *   sourced 7 ──▶ held ──sourced 8──▶ given up            quiet: held ──feed covers 8, still so a second later──▶ given up
 *
 * While nobody answers for it, consumed messages stay, up to the group's maxBytes. docs/decisions/0010.
 *
 * What the feed's own account calls acknowledged is not always stored: after a start of the server it may be ahead for as
 * long as the group's stream is full. So a hold on the feed's stream goes forward only behind what was seen stored.
 * docs/decisions/0016.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
} from '@nats-io/jetstream';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import { feedHold, parseAckSubject } from '../capture/index.ts';
import { RangeSet } from '../envelope/index.ts';
import { errorText, isBusError } from '../errors.ts';
import { apiCode, directGet, natsCall, orNull, parseTime } from '../nats/index.ts';
import type { Arrival } from './flow-writer.ts';
import type { FeedSource } from './group-stream.ts';
import { createHold, Hold, heldBehind } from './hold.ts';
import { isGivenUp } from './stream-hold.ts';

const durable = 'mb-keep';
const sourceHeader = 'Nats-Stream-Source';
/** what an earlier life was told and did not settle comes again after this */
const ackWaitNs = 5e9;
const maxAckPending = 20_000;
const readAtOnce = { messages: 500, bytes: 4 * 1024 * 1024 };
/** how often the feed's own account is compared with what was told, when nothing else gives cause */
const compareMs = 30_000;
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

/** Creates the hold under a feed, behind what it has brought, or finds it; before the stream gets its source. E_NATS */
export async function ensureFeedHold(jsm: JetStreamManager, { stream, durable: feed }: FeedSource): Promise<void> {
  const place = { stream, durable: feedHold(feed), isRecorded: true };
  if ((await heldBehind(jsm, place)) !== null) return;
  const info = await natsCall(`feed ${feed}`, () => jsm.consumers.info(stream, feed));
  await createHold(jsm, place, info.ack_floor.stream_seq);
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

interface Kept {
  /** in the group's stream */
  seq: number;
  /** in the feed's stream */
  sourceSeq: number;
  /** gives it up */
  ackSubject: string;
  /** the life of the server in which the feed was seen to cover it */
  coveredIn: string | undefined;
}

export interface KeeperPlace {
  /** the group's stream */
  stream: string;
  deliverSubject: string;
  feed: Pick<FeedSource, 'stream' | 'durable'>;
  /** told of the stream sequence of every message */
  onSeen?: (seq: number) => void;
  /** stores what the server passed over; absent where a full stream drops its oldest, so that nobody can tell */
  restore?: (passedOver: Arrival) => Promise<void>;
}

/** Answers for the keeper of one group stream. */
export class FeedKeeper {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #place: KeeperPlace;
  readonly #hold: Hold;
  readonly #subscription: Subscription;
  /** told and not given up, by sequence */
  readonly #kept = new Map<number, Kept>();
  /** sequences of the feed's stream that the group's stream has taken */
  #taken = new RangeSet();
  /** the newest sourced message, undefined once it was given up without a newer one */
  #newest: Kept | undefined;
  #newestSeq = 0;
  #told = 0;
  #life = 0;
  #timer: NodeJS.Timeout | undefined;
  #gapTimer: NodeJS.Timeout | undefined;
  readonly #comparing: NodeJS.Timeout;
  /** what the feed's account covered when it was last compared, and in which life */
  #claim = { floor: 0, life: -1 };
  #gapProblem = '';
  #isStopped = false;

  constructor({ nc, jsm }: { nc: NatsConnection; jsm: JetStreamManager }, place: KeeperPlace) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#place = place;
    const { stream, durable } = place.feed;
    this.#hold = new Hold(jsm, { stream, durable: feedHold(durable), isRecorded: true }, () => this.#settle());
    this.#subscription = nc.subscribe(place.deliverSubject, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
    this.#comparing = setInterval(() => this.#fillLater(), compareMs).unref();
    this.#fillLater();
  }

  get deliverSubject(): string {
    return this.#place.deliverSubject;
  }

  /** Why messages stay in the feed's stream, for people; empty when they do not. */
  get problem(): string {
    return this.#gapProblem || this.#hold.problem;
  }

  /** nats-server may have another disk: what it holds is told anew. */
  reconnected(): void {
    this.#life += 1;
    this.#hold.suspend();
    this.#kept.clear();
    this.#taken = new RangeSet();
    this.#newestSeq = 0;
    this.#newest = undefined;
    this.#fillLater();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#gapTimer);
    clearInterval(this.#comparing);
    this.#hold.close();
    this.#subscription.unsubscribe();
  }

  #receive(message: Msg): void {
    const ackSubject = message.reply ?? '';
    if (!ackSubject.startsWith('$JS.ACK.')) return;
    const { seq } = parseAckSubject(ackSubject);
    this.#told += 1;
    this.#place.onSeen?.(seq);
    // `<stream>:<hash> <sequence there> ...`
    const source = message.headers?.get(sourceHeader) ?? '';
    if (source === '') {
      this.#nc.publish(ackSubject);
      return;
    }
    const kept = { seq, sourceSeq: Number(source.split(' ')[1]), ackSubject, coveredIn: undefined };
    if (!this.#take(kept.sourceSeq)) return;
    this.#kept.set(seq, kept);
    const before = this.#newest;
    const isNewest = seq >= this.#newestSeq;
    if (isNewest) {
      this.#newestSeq = seq;
      this.#newest = kept;
      this.#lookLater();
    }
    this.#advance();
    this.#letGo(isNewest ? before : kept);
  }

  /** False when too many gaps are open: it comes again. */
  #take(sourceSeq: number): boolean {
    if (this.#place.restore === undefined) this.#taken.prune(sourceSeq);
    try {
      this.#taken.add(sourceSeq);
      return true;
    } catch (error) {
      if (!isBusError(error, 'E_RANGES_FULL')) throw error;
      return false;
    }
  }

  /** The hold goes behind what was taken without a gap. */
  #advance(): void {
    const { position } = this.#hold;
    if (position !== undefined && position < Number.MAX_SAFE_INTEGER) this.#taken.prune(position);
    this.#hold.to(position === undefined ? 0 : this.#taken.mark);
    if (position !== undefined && this.#taken.mark < this.#taken.last) this.#fillLater();
  }

  /** The hold is behind more: so much is given up here, too. */
  #settle(): void {
    this.#advance();
    for (const kept of this.#kept.values()) this.#letGo(kept);
  }

  #letGo(kept: Kept | undefined): void {
    const isHeld = kept === undefined || kept.seq === this.#newest?.seq || kept.sourceSeq > (this.#hold.position ?? 0);
    if (isHeld || !this.#kept.delete(kept.seq)) return;
    this.#nc.publish(kept.ackSubject);
  }

  #lookLater(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), lookMs);
  }

  /** Gives up what the feed covers now and covered a second ago, in the same life of the server, and the hold has given up. */
  async #look(): Promise<void> {
    const newest = this.#newest;
    if (newest === undefined) return;
    try {
      const isHeld = (this.#hold.position ?? 0) < newest.sourceSeq;
      const isCovered = !isHeld && (await this.#feedFloor()) >= newest.sourceSeq;
      const life = isCovered ? this.#nc.info?.server_id : undefined;
      if (newest !== this.#newest || this.#isStopped) return;
      if (life !== undefined && newest.coveredIn === life) {
        this.#nc.publish(newest.ackSubject);
        this.#kept.delete(newest.seq);
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
    const { stream, durable: feed } = this.#place.feed;
    const info = await natsCall(`feed ${feed}`, () => this.#jsm.consumers.info(stream, feed));
    return info.ack_floor.stream_seq;
  }

  #fillLater(): void {
    if (this.#isStopped || this.#gapTimer !== undefined || this.#place.restore === undefined) return;
    this.#gapTimer = setTimeout(() => {
      void this.#fill().then((isOpen) => {
        this.#gapTimer = undefined;
        if (this.#isStopped) return;
        this.#settle();
        if (isOpen) this.#fillLater();
      });
    }, lookMs);
  }

  /**
   * Sees to what was not taken although something behind it was, or the feed's account covers it: there is nothing, or the
   * server passed it over, and never goes back behind that account. Resolves with whether to look again.
   */
  async #fill(): Promise<boolean> {
    const life = this.#life;
    try {
      const claimed = await this.#claimed();
      const { mark, last } = this.#taken;
      // never without a hold: nobody knows then where this group's part begins
      if (mark < (this.#hold.position ?? Number.MAX_SAFE_INTEGER)) return this.#hold.position === undefined;
      const [gap] = this.#taken.missing(mark + 1, Math.max(last, claimed));
      if (gap === undefined) return this.#claim.floor > mark;
      const passedOver = await readBetween(this.#nc, this.#place.feed.stream, gap);
      const isNothing = passedOver.messages.length === 0;
      if (!isNothing && !(await this.#isAllTold())) return true;
      if (life !== this.#life || this.#isStopped) return true;
      if (!isNothing) await this.#place.restore?.(passedOver);
      if (life === this.#life) this.#taken.add(passedOver.first, passedOver.last);
      this.#gapProblem = '';
    } catch (error) {
      if (!isBusError(error)) throw error;
      this.#gapProblem = `what nats-server passed over comes later: ${errorText(error)}`;
    }
    return true;
  }

  /** What the feed's account covers, and covered a second ago in this life: by then it is on disk. */
  async #claimed(): Promise<number> {
    const life = this.#life;
    const before = this.#claim;
    this.#claim = { floor: await this.#feedFloor(), life };
    return before.life === life ? Math.min(before.floor, this.#claim.floor) : 0;
  }

  /** Whether nothing is stored that was not told of in this life, or given up. */
  async #isAllTold(): Promise<boolean> {
    const told = this.#told;
    const info = await keeperOf(this.#jsm, this.#place.stream);
    return info?.num_pending === 0 && info.num_ack_pending === this.#kept.size && told === this.#told;
  }
}

/** What the feed's stream has between two sequences, or its beginning where that is much. E_NATS */
async function readBetween(nc: NatsConnection, stream: string, [first, until]: [number, number]): Promise<Arrival> {
  const read = await directGet(nc, stream, { seq: first, batch: readAtOnce.messages, max_bytes: readAtOnce.bytes });
  const stored = read.filter(({ seq }) => seq <= until);
  const messages = stored.map(({ seq, subject, headers, payload, storedAt }) => {
    return { seq, subject, headers, payload, timeNs: parseTime(storedAt) };
  });
  // nothing behind the last one that was read is known of
  const last = stored.length < read.length || read.length === 0 ? until : (messages.at(-1)?.seq ?? until);
  return { first, last, floor: 0, since: 0, messages };
}
