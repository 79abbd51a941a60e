/**
 * One end of a link: hellos that measure it and decide whether it is up, frames as core NATS request and reply inside a
 * window, and what needs no answer: notes and routing records.
 *
 * Subjects (the leaf user's permissions allow no others): what I send is under `mb.l.<self>.<peer>.`, what I hear under
 * `mb.l.<peer>.<self>.`; replies to me come under `….r.` there.
 *
 *                              ┌─loss or RTT far above normal─▶ degraded
 *   down ──a hello answered──▶ up ◀────────back to normal────────┘   │
 *    ▲                          ├──nothing heard for silentAfterMs───┴─▶ silent ──anything heard──▶ up
 *    └──the server says that the leaf connection closed, or that nobody listens (from each of the three)
 *
 * Degraded is up, at a higher cost. When it is neither any more, every frame under way fails with E_LINK_DOWN: its sender knows nothing of its fate and sends again.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Clock } from '../clock.ts';
import { decodeFormats, encodeFormats, type FormatRange } from '../envelope/index.ts';
import { BusError, codedText, type ErrorCode, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { statusCode } from '../nats/index.ts';
import type { LinkFacts } from '../routing/index.ts';
import { LinkHealth } from './link-health.ts';
import { LinkWindow } from './link-window.ts';
import { Redialer } from './redialer.ts';

export type LinkState = LinkFacts['state'];

export interface LinkSessionOptions {
  nc: NatsConnection;
  linkId: string;
  /** site ids, as they stand in subjects */
  self: string;
  peer: string;
  /** the peer's site name, for people */
  peerName: string;
  clock: Clock;
  log: Logger;
  helloMs?: number;
  silentAfterMs?: number;
  /** stores a frame; resolves when it is safe, throws a BusError to say busy (retry) or refused */
  onFrame: (frame: Uint8Array) => Promise<void>;
  /** a frame that needs no answer */
  onNote: (frame: Uint8Array) => void;
  onState: (state: LinkState, reason: string) => void;
  /** a routing record of the peer's, or one it passes on */
  onRecord: (bytes: Uint8Array) => void;
  /** what is measured: at each change of state and about once a second */
  onFacts: (facts: LinkFacts) => void;
  /** at the end that dials: has the connection made anew */
  redial?: () => Promise<void>;
  /** whether nats-server holds a leaf connection for the link */
  isConnected?: () => boolean;
}

/** First byte of a reply. */
const answer = { stored: 0, busy: 1, refused: 2 } as const;
const frameTimeoutMs = 60_000;
const defaultHelloMs = 250;
/** many messages in one frame; a single one may be larger */
const largestFrameBytes = 1_114_112;
const noResponders = 503;
const factsEveryMs = 1_000;
/** the server's word that nobody listens holds for this long */
const wordMs = 2_000;
const ownFormats = encodeFormats();
const decoder = new TextDecoder();

interface Pending {
  resolve: () => void;
  reject: (error: unknown) => void;
  deadline: NodeJS.Timeout;
}

export class LinkSession {
  readonly #options: LinkSessionOptions;
  readonly #out: string;
  readonly #in: string;
  readonly #window = new LinkWindow();
  readonly #health = new LinkHealth();
  readonly #redialer: Redialer | undefined;
  readonly #pending = new Map<string, Pending>();
  #subscription: Subscription | undefined;
  #timer: NodeJS.Timeout | undefined;
  #state: LinkState = 'down';
  #reason = 'not connected yet';
  #sinceMs: number;
  #lastHeardMs = Number.NEGATIVE_INFINITY;
  #nobodyAtMs = Number.NEGATIVE_INFINITY;
  #factsAtMs = Number.NEGATIVE_INFINITY;
  #beatAtMs = 0;
  #serial = 0;
  #peerFormats: FormatRange | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(options: LinkSessionOptions) {
    this.#options = options;
    this.#out = `mb.l.${options.self}.${options.peer}.`;
    this.#in = `mb.l.${options.peer}.${options.self}.`;
    this.#sinceMs = options.clock.wallMs();
    const { redial, isConnected = () => this.#state === 'silent' } = options;
    this.#redialer = redial === undefined ? undefined : new Redialer({ redial, isConnected });
  }

  get state(): LinkState {
    return this.#state;
  }

  /** site id of the other end */
  get peer(): string {
    return this.#options.peer;
  }

  /** what its build reads, as its hellos say; undefined until it has said so */
  get peerFormats(): FormatRange | undefined {
    return this.#peerFormats;
  }

  /** up or degraded: frames can be sent */
  get isUp(): boolean {
    return this.#state === 'up' || this.#state === 'degraded';
  }

  get reason(): string {
    return this.#reason;
  }

  /** wall time of the last change of state, milliseconds since 1970 */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** smoothed round trip of hellos, null until measured */
  get rttMs(): number | null {
    return this.#health.rttMs;
  }

  get facts(): LinkFacts {
    const { rttMs, jitterMs, lossRatio } = this.#health;
    const rate = this.#window.rateBytesPerSecond;
    const backlogMs = rate === 0 ? 0 : (this.backlogBytes / rate) * 1_000;
    return { state: this.#state, rttMs, jitterMs, lossRatio, backlogMs };
  }

  /** While it is silent, at the end that dials: how long until it dials anew, milliseconds; null otherwise. */
  get redialMs(): number | null {
    if (this.#state !== 'silent') return null;
    return this.#redialer?.waitMs(this.#options.clock.monotonicMs()) ?? null;
  }

  /** bytes under way or waiting for the window */
  get backlogBytes(): number {
    return this.#window.usedBytes + this.#window.waitingBytes;
  }

  /** frames, notes and records since it was made; hellos are none */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** bytes a second while it was busy, 0 until measured */
  get rateBytesPerSecond(): number {
    return this.#window.rateBytesPerSecond;
  }

  /** how much may be under way now */
  get windowBytes(): number {
    return this.#window.windowBytes;
  }

  /** Whether compressing is worth the CPU here: a long way, or a thin line. */
  get isSlow(): boolean {
    const rate = this.#window.rateBytesPerSecond;
    return (this.#health.rttMs ?? 0) > 15 || (rate > 0 && rate < 12_500_000);
  }

  /** The largest frame of several messages that does not hog the link: a fraction of the window. */
  get maxFrameBytes(): number {
    return Math.min(largestFrameBytes, Math.max(256 * 1024, this.#window.windowBytes / 4));
  }

  start(): void {
    const { nc, clock, helloMs = defaultHelloMs } = this.#options;
    this.#subscription = nc.subscribe(`${this.#in}>`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
    this.#beatAtMs = clock.monotonicMs();
    this.#hello();
    this.#timer = setInterval(() => this.#beat(), helloMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#subscription?.unsubscribe();
    this.#enter('down', 'stopped');
  }

  /** The server saw the leaf connection close or open: closed is certain, open still has to carry a hello. */
  connectionChanged(isUp: boolean): void {
    if (isUp) this.#hello();
    else this.#enter('down', 'the leaf connection closed');
  }

  /** Sends a frame and resolves when the peer has stored it; lanes take turns. E_LINK_DOWN E_PEER_BUSY E_PEER_REFUSED E_VERSION_APART E_TIMEOUT */
  async send(parts: Uint8Array, lane?: string): Promise<void> {
    this.#mustBeUp();
    await this.#window.acquire(parts.length, lane);
    const sentMs = this.#options.clock.monotonicMs();
    try {
      this.#mustBeUp();
      await this.#request(parts);
      this.#window.release(parts.length, this.#options.clock.monotonicMs() - sentMs);
    } catch (error) {
      this.#window.release(parts.length, null);
      throw error;
    }
  }

  /** Sends a frame that needs no answer; lost when the link is down. */
  note(frame: Uint8Array): void {
    if (this.isUp) this.#publish('n', frame);
  }

  /** Sends a routing record; lost when the link is down. */
  flood(record: Uint8Array): void {
    if (this.isUp) this.#publish('s', record);
  }

  #publish(kind: 'f' | 'n' | 's', bytes: Uint8Array, options?: { reply: string }): void {
    this.#sentBytes += bytes.length;
    this.#options.nc.publish(`${this.#out}${kind}`, bytes, options);
  }

  #mustBeUp(): void {
    if (this.isUp) return;
    throw new BusError('E_LINK_DOWN', `link to ${this.#options.peerName} is ${this.#state}: ${this.#reason}`);
  }

  #request(frame: Uint8Array): Promise<void> {
    this.#serial += 1;
    const token = `r.${this.#serial}`;
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#pending.delete(token);
        reject(new BusError('E_TIMEOUT', `${this.#options.peerName} did not answer within ${frameTimeoutMs} ms`));
      }, frameTimeoutMs);
      this.#pending.set(token, { resolve, reject, deadline });
      this.#publish('f', frame, { reply: `${this.#in}${token}` });
    });
  }

  #receive(message: Msg): void {
    const token = message.subject.slice(this.#in.length);
    if (message.data.length === 0 && statusCode(message) === noResponders) {
      this.#nobodyThere(token);
      return;
    }
    this.#heard();
    this.#receivedBytes += message.data.length;
    if (token === 'f') void this.#takeFrame(message);
    else if (token === 'n') this.#options.onNote(message.data);
    else if (token === 's') this.#options.onRecord(message.data);
    else if (token === 'h') this.#answerHello(message);
    else if (token.startsWith('r.')) this.#settle(token, message.data);
    else if (token.startsWith('rh.')) this.#measure(token, message.data);
  }

  /** The server itself answered: no leaf connection, or no sidecar at its other end. */
  #nobodyThere(token: string): void {
    this.#nobodyAtMs = this.#options.clock.monotonicMs();
    const pending = this.#pending.get(token);
    if (pending !== undefined) {
      this.#pending.delete(token);
      clearTimeout(pending.deadline);
      pending.reject(new BusError('E_LINK_DOWN', `nobody listens at ${this.#options.peerName}`));
    }
    this.#enter('down', 'nobody listens at the other end');
  }

  async #takeFrame(message: Msg): Promise<void> {
    try {
      await this.#options.onFrame(message.data);
      message.respond(Uint8Array.of(answer.stored));
    } catch (error) {
      const isBusy = isBusError(error) && error.disposition === 'retry';
      const text = Buffer.from(codedText(error)).subarray(0, 400);
      message.respond(Buffer.concat([Uint8Array.of(isBusy ? answer.busy : answer.refused), text]));
    }
  }

  #settle(token: string, data: Uint8Array): void {
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    this.#pending.delete(token);
    clearTimeout(pending.deadline);
    if (data[0] === answer.stored) {
      pending.resolve();
      return;
    }
    const reason = decoder.decode(data.subarray(1, 400));
    pending.reject(new BusError(codeOf(data[0], reason), `${this.#options.peerName}: ${reason}`));
  }

  #beat(): void {
    const { clock, helloMs = defaultHelloMs, silentAfterMs = 2_000 } = this.#options;
    const nowMs = clock.monotonicMs();
    const quietMs = nowMs - this.#lastHeardMs;
    // after a late beat this process itself was busy: what has arrived meanwhile is read first
    const isLate = nowMs - this.#beatAtMs > 4 * helloMs;
    this.#beatAtMs = nowMs;
    if (this.isUp && !isLate) this.#judge(nowMs);
    if (this.isUp && !isLate && quietMs > silentAfterMs)
      this.#enter('silent', `nothing heard for ${Math.round(quietMs)} ms`);
    if (!this.isUp) this.#redial(nowMs);
    if (nowMs - this.#factsAtMs >= factsEveryMs) this.#tellFacts(nowMs);
    this.#hello();
  }

  #judge(nowMs: number): void {
    this.#health.beat(nowMs);
    const { isDegraded, lossRatio, rttMs } = this.#health;
    const measured = `${Math.round(100 * lossRatio)} % loss, ${Math.round(rttMs ?? 0)} ms round trip`;
    this.#enter(isDegraded ? 'degraded' : 'up', isDegraded ? measured : '');
  }

  #redial(nowMs: number): void {
    const { log, peerName: peer } = this.#options;
    if (this.#redialer?.beat(nowMs, nowMs - this.#nobodyAtMs < wordMs))
      log.warn({ event: 'link.redial', peer, state: this.#state }, `link to ${peer} is dialled anew`);
  }

  #tellFacts(nowMs: number): void {
    this.#factsAtMs = nowMs;
    this.#options.onFacts(this.facts);
  }

  #hello(): void {
    const { nc, clock } = this.#options;
    if (nc.isClosed()) return;
    this.#serial += 1;
    const token = `rh.${this.#serial}`;
    this.#health.sent(token, clock.monotonicMs());
    nc.publish(`${this.#out}h`, ownFormats, { reply: `${this.#in}${token}` });
  }

  #answerHello(message: Msg): void {
    this.#peerFormats = decodeFormats(message.data) ?? this.#peerFormats;
    message.respond(ownFormats);
  }

  #measure(token: string, said: Uint8Array): void {
    this.#peerFormats = decodeFormats(said) ?? this.#peerFormats;
    const isAnswer = this.#health.answered(token, this.#options.clock.monotonicMs());
    if (isAnswer && !this.isUp) this.#enter('up', '');
  }

  #heard(): void {
    this.#lastHeardMs = this.#options.clock.monotonicMs();
    if (this.#state === 'silent') this.#enter('up', '');
  }

  #enter(state: LinkState, reason: string): void {
    if (state === this.#state) return;
    const { clock, log, peerName: peer } = this.#options;
    const wasUp = this.isUp;
    // hellos into a link that is not up say nothing of what it is when it comes back
    if (!wasUp) this.#health.reset();
    this.#state = state;
    this.#reason = reason;
    this.#sinceMs = clock.wallMs();
    log.info({ event: `link.${state}`, peer, reason }, `link to ${peer} is ${state}`);
    if (this.isUp) this.#redialer?.reset();
    else if (wasUp) this.#failAll(new BusError('E_LINK_DOWN', `link to ${peer} is ${state}: ${reason}`));
    this.#tellFacts(clock.monotonicMs());
    this.#options.onState(state, reason);
  }

  #failAll(error: BusError): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const each of pending) {
      clearTimeout(each.deadline);
      each.reject(error);
    }
    this.#health.reset();
    this.#window.reset(error);
  }
}

/** What it does not read it never will, however often the same bytes are sent; what it has no room for passes later. */
function codeOf(kind: number | undefined, reason: string): ErrorCode {
  if (kind !== answer.busy) return 'E_PEER_REFUSED';
  return reason.startsWith('E_VERSION_APART') ? 'E_VERSION_APART' : 'E_PEER_BUSY';
}
