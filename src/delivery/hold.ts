/**
 * A durable of the bus that is nothing but interest: what lies behind its place stays in the stream, whoever has acknowledged
 * it. Nothing is delivered on it; it is set forward (CONSUMER.RESET, ADR-60), and a stream with interest retention lets go at
 * once of what every other durable has acknowledged up to there.
 *
 * A step is a small write of nats-server, so a busy stream takes one every 50 ms. One that got no answer may be carried out
 * after later ones: then the place is read once more.
 *
 * nats-server writes a durable's place down later, and forgets it when it is killed before. Where others give up for good
 * what the hold has given up, the place is recorded in the durable's metadata first, which is stored with the answer.
 */
import { AckPolicy, type JetStreamManager } from '@nats-io/jetstream';
import { errorText, isBusError } from '../errors.ts';
import { apiCode, natsCall, orNull } from '../nats/index.ts';

/** between two steps forward */
const restMs = 50;
/** between two that are recorded */
const recordMs = 200;
const againMs = 1_000;
/** no request of before can be under way any more */
const lateMs = 10_000;

const recordKey = 'mb_behind';

export interface HoldPlace {
  stream: string;
  durable: string;
  /** whether each place is recorded before it is taken */
  isRecorded?: boolean;
}

/** Creates a hold with interest in everything behind `after`. E_NATS */
export async function createHold(jsm: JetStreamManager, place: HoldPlace, after: number): Promise<void> {
  const { stream, durable, isRecorded = false } = place;
  const metadata: Record<string, string> = isRecorded ? { [recordKey]: String(after) } : {};
  await natsCall(`create ${durable} of ${stream}`, () =>
    // not with a start sequence: nothing goes back behind that, ADR-60
    jsm.consumers.add(stream, { durable_name: durable, ack_policy: AckPolicy.Explicit, metadata }),
  );
  if (after > 0) await setHold(jsm, place, after);
}

/** Gives up its interest: what the others have acknowledged goes. E_NATS */
export async function deleteHold(jsm: JetStreamManager, { stream, durable }: HoldPlace): Promise<void> {
  await orNull(
    natsCall(`delete ${durable} of ${stream}`, () => jsm.consumers.delete(stream, durable)),
    apiCode.consumerNotFound,
  );
}

/** The newest sequence that it does not hold; null when there is no such durable. E_NATS */
export async function heldBehind(jsm: JetStreamManager, place: HoldPlace): Promise<number | null> {
  const stored = await storedPlace(jsm, place);
  return stored === null ? null : Math.max(stored.taken, stored.recorded);
}

async function storedPlace(jsm: JetStreamManager, { stream, durable }: HoldPlace) {
  const info = await orNull(
    natsCall(`${durable} of ${stream}`, () => jsm.consumers.info(stream, durable)),
    apiCode.consumerNotFound,
  );
  if (info === null) return null;
  return { taken: info.ack_floor.stream_seq, recorded: Number(info.config.metadata?.[recordKey] ?? 0) };
}

async function setHold(jsm: JetStreamManager, place: HoldPlace, seq: number): Promise<void> {
  const { stream, durable, isRecorded = false } = place;
  if (isRecorded) {
    const metadata = { [recordKey]: String(seq) };
    await natsCall(`${durable} of ${stream}`, () => jsm.consumers.update(stream, durable, { metadata }));
  }
  await natsCall(`${durable} of ${stream}`, () => jsm.consumers.reset(stream, durable, seq + 1));
}

export class Hold {
  readonly #jsm: JetStreamManager;
  readonly #place: HoldPlace;
  /** its place is known, or another one */
  readonly #onMoved: () => void;
  /** as nats-server has it; undefined while that is not known, and where there is no such durable */
  #position: number | undefined;
  #target = 0;
  /** of nats-server: what was told of an earlier one says nothing */
  #life = 0;
  #timer: NodeJS.Timeout | undefined;
  #doubt: NodeJS.Timeout | undefined;
  #isStepping = false;
  #isAbsent = false;
  #isClosed = false;
  #problem = '';

  constructor(jsm: JetStreamManager, place: HoldPlace, onMoved: () => void = () => undefined) {
    this.#jsm = jsm;
    this.#place = place;
    this.#onMoved = onMoved;
  }

  /** Why it stands still, for people; empty when it does not. */
  get problem(): string {
    return this.#problem;
  }

  /** The newest sequence that it does not hold, any where there is no such durable; undefined while that is not known. */
  get position(): number | undefined {
    return this.#isAbsent ? Number.MAX_SAFE_INTEGER : this.#position;
  }

  /** Gives up everything up to `seq`, soon. */
  to(seq: number): void {
    this.#target = Math.max(this.#target, seq);
    if (this.#timer === undefined) void this.#step();
  }

  /** nats-server may have another life, and an older disk: it stands still until it is told how far again. */
  suspend(): void {
    this.#life += 1;
    this.#position = undefined;
    this.#isAbsent = false;
    this.#target = 0;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#doubt);
  }

  /** Its place as stored, null when there is no such durable. A stream that was put back may end before it: it goes back too. E_NATS */
  async read(last: number): Promise<number | null> {
    const life = this.#life;
    const stored = await storedPlace(this.#jsm, this.#place);
    const position = stored === null ? null : Math.min(Math.max(stored.taken, stored.recorded), last);
    if (position !== null && position !== stored?.taken) await setHold(this.#jsm, this.#place, position);
    if (life !== this.#life) return position;
    this.#position = position ?? undefined;
    this.#isAbsent = position === null;
    return position;
  }

  async #step(): Promise<void> {
    if (this.#isStepping || this.#isClosed || this.#isAbsent) return;
    if (this.#position !== undefined && this.#target <= this.#position) return;
    this.#isStepping = true;
    try {
      await this.#advance();
      this.#problem = '';
      this.#onMoved();
    } catch (error) {
      if (!isBusError(error)) throw error;
      this.#problem = `consumed messages stay: ${errorText(error)}`;
      this.#position = undefined;
      this.#doubt ??= setTimeout(this.#readAnew, lateMs).unref();
    }
    this.#isStepping = false;
    const waitMs = this.#place.isRecorded === true ? recordMs : restMs;
    if (!this.#isClosed) this.#timer = setTimeout(this.#rested, this.#problem === '' ? waitMs : againMs).unref();
  }

  async #advance(): Promise<void> {
    const life = this.#life;
    if (this.#position === undefined) {
      const { state } = await natsCall(`stream ${this.#place.stream}`, () =>
        this.#jsm.streams.info(this.#place.stream),
      );
      await this.read(state.last_seq);
    }
    const target = this.#target;
    if (life !== this.#life || this.#position === undefined || this.#position >= target) return;
    await setHold(this.#jsm, this.#place, target);
    if (life === this.#life) this.#position = target;
  }

  readonly #rested = (): void => {
    this.#timer = undefined;
    void this.#step();
  };

  readonly #readAnew = (): void => {
    this.#doubt = undefined;
    this.#position = undefined;
    if (this.#timer === undefined) void this.#step();
  };
}
