/**
 * The sending side of a terminal: seals bodies under a ticket per topic. While a topic is in use its next ticket is
 * fetched in the background, so no message waits for the control plane; callers that must wait share one request.
 *
 *   none ──seal──▶ asking ──answer──▶ held ──half its life gone──▶ held and asking ──answer──▶ held
 *                     └──error──▶ none (thrown to the callers)             └──error──▶ held, asked again, to its end
 *
 * A ticket of an older key version than the topic's snapshot names, or from before tickets were revoked, is not used any more.
 *
 * Ends are counted on the monotonic clock from before the request, less a margin. No ticket, no sealing: E_KEY_AWAY
 * or E_KEY_BUSY (retry), E_KEY_REFUSED (park).
 */
import type { SnapshotTopic } from '../api/snapshot.ts';
import { newId16 } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Compression } from './compression.ts';
import { type KeyCallOptions, KeyCalls, type Timed } from './key-calls.ts';
import { type SealTicket, seal } from './seal.ts';
import { startSweep } from './sweep.ts';

interface SealerOptions extends KeyCallOptions {
  log: Logger;
}

interface SealOptions {
  /** messages in the body */
  count: number;
  /** compress when that makes it smaller */
  compress: boolean;
  /** of the envelope's header, see envelope/formats.ts */
  format?: number | undefined;
}

interface Sealed {
  /** 16 bytes, for the manifest */
  envelopeId: Uint8Array;
  sealed: Buffer;
}

type SealedTopic = Pick<SnapshotTopic, 'id' | 'strict' | 'keyEpoch' | 'ticketsSinceMs'>;

export interface TicketUsage {
  /** base64url */
  ticketId: string;
  messages: number;
}

export interface Sealer {
  /** @throws E_KEY_AWAY E_KEY_BUSY E_KEY_REFUSED */
  seal(topic: SealedTopic, body: Uint8Array, options: SealOptions): Promise<Sealed>;
  /** Messages sealed so far with each ticket that is in use, or was a moment ago. */
  usage(): TicketUsage[];
  stop(): void;
}

interface TopicState {
  held: Timed<SealTicket> | undefined;
  asking: Promise<Timed<SealTicket>> | undefined;
  lastSealMs: number;
  hasFailed: boolean;
  compression: Compression;
}

const sweepMs = 5_000;
const idleMs = 10 * 60_000;
/** long enough for the report after the ticket's end, and the one after that when it was lost */
const usageKeptMs = 30_000;
/** an envelope sealed in a ticket's last seconds would expire on the way */
const marginShare = 0.05;
const renewShare = 0.5;

export function createSealer(options: SealerOptions): Sealer {
  return new TicketSealer(options);
}

class TicketSealer implements Sealer {
  readonly #options: SealerOptions;
  readonly #calls: KeyCalls;
  readonly #topics = new Map<string, TopicState>();
  /** by ticket id */
  readonly #used = new Map<string, { messages: number; endMs: number }>();
  readonly #sweep: { stop(): void };
  #isStopped = false;

  constructor(options: SealerOptions) {
    this.#options = options;
    this.#calls = new KeyCalls(options);
    this.#sweep = startSweep(options.clock, sweepMs, () => this.#renewAll());
  }

  async seal(topic: SealedTopic, body: Uint8Array, { count, compress, format }: SealOptions): Promise<Sealed> {
    if (this.#isStopped) throw new BusError('E_KEY_AWAY', 'the sealer is stopped');
    const ticket = topic.strict
      ? (await this.#calls.ticket(topic.id, count)).value
      : await this.#countedTicket(topic, count);
    const envelopeId = newId16();
    const createdMs = this.#options.clock.wallMs();
    const compressed = compress ? this.#stateOf(topic.id).compression.tryOn(body) : undefined;
    return { envelopeId, sealed: seal(ticket, { body, compressed, count, envelopeId, createdMs, format }) };
  }

  usage(): TicketUsage[] {
    const now = this.#options.clock.monotonicMs();
    for (const [ticketId, { endMs }] of this.#used) if (now > endMs + usageKeptMs) this.#used.delete(ticketId);
    return [...this.#used].map(([ticketId, { messages }]) => ({ ticketId, messages }));
  }

  stop(): void {
    this.#isStopped = true;
    this.#sweep.stop();
    this.#topics.clear();
  }

  async #countedTicket(topic: SealedTopic, messages: number): Promise<SealTicket> {
    const { value, endMs } = await this.#ticketOf(topic);
    const ticketId = Buffer.from(value.certificate.ticketId).toString('base64url');
    this.#used.set(ticketId, { endMs, messages: (this.#used.get(ticketId)?.messages ?? 0) + messages });
    return value;
  }

  async #ticketOf({ id: topicId, keyEpoch, ticketsSinceMs }: SealedTopic): Promise<Timed<SealTicket>> {
    const state = this.#stateOf(topicId);
    const now = this.#options.clock.monotonicMs();
    state.lastSealMs = now;
    const isUsable = ({ value: { certificate } }: Timed<SealTicket>): boolean =>
      certificate.epoch >= (keyEpoch ?? 0) && certificate.notBeforeMs > (ticketsSinceMs ?? 0);
    if (state.held && now < usableUntil(state.held) && isUsable(state.held)) return state.held;
    state.held = undefined;
    const ticket = await this.#ask(topicId, state);
    // the request may have been under way when the version changed
    return isUsable(ticket) ? ticket : this.#ask(topicId, state);
  }

  #stateOf(topicId: string): TopicState {
    const known = this.#topics.get(topicId);
    if (known) return known;
    const state = {
      held: undefined,
      asking: undefined,
      lastSealMs: 0,
      hasFailed: false,
      compression: new Compression(),
    };
    this.#topics.set(topicId, state);
    return state;
  }

  /** One request per topic at a time, whoever waits for it. */
  #ask(topicId: string, state: TopicState): Promise<Timed<SealTicket>> {
    state.asking ??= this.#calls
      .ticket(topicId)
      .then((ticket) => {
        state.held = ticket;
        this.#note(topicId, state, undefined);
        return ticket;
      })
      .catch((error: unknown) => {
        this.#note(topicId, state, error);
        throw error;
      })
      .finally(() => {
        state.asking = undefined;
      });
    return state.asking;
  }

  #renewAll(): void {
    const now = this.#options.clock.monotonicMs();
    for (const [topicId, state] of this.#topics) {
      if (now - state.lastSealMs > idleMs) this.#topics.delete(topicId);
      else if (state.held && now >= renewFrom(state.held)) this.#renew(topicId, state, now);
    }
  }

  #renew(topicId: string, state: TopicState, now: number): void {
    if (state.held && now >= usableUntil(state.held)) state.held = undefined;
    // the failure is logged once by #note; the next sweep, or a seal, asks again
    this.#ask(topicId, state).catch(() => undefined);
  }

  /** One log line per change between asking in vain and having a ticket. */
  #note(topicId: string, state: TopicState, error: unknown): void {
    if (error !== undefined && !state.hasFailed) {
      this.#options.log.warn(
        { event: 'sealing.no-ticket', topicId, err: error },
        'no ticket; sealing ends with the last one',
      );
    } else if (error === undefined && state.hasFailed) {
      this.#options.log.info({ event: 'sealing.ticket', topicId }, 'tickets again');
    }
    state.hasFailed = error !== undefined;
  }
}

function usableUntil(ticket: Timed<SealTicket>): number {
  return ticket.endMs - (ticket.endMs - ticket.startMs) * marginShare;
}

function renewFrom(ticket: Timed<SealTicket>): number {
  return ticket.startMs + (ticket.endMs - ticket.startMs) * renewShare;
}
