/**
 * One nats-server: accounts with subscriptions and streams, and the connections into them. It lives as one Process; what a
 * kill leaves behind is in `Disk`, which the next one starts from.
 */
import type { Random } from '../random.ts';
import { labelOf, type Process, type Scheduler } from '../scheduler.ts';
import { Api, type ApiOptions } from './api.ts';
import { headerBlock } from './headers.ts';
import type { Packet, Stream, StreamHooks } from './stream.ts';

/** Somebody who gets what is sent to a subject: a connection, or the other end of a link. */
export interface Listener {
  subject: string;
  /** `isDirect`: it runs as the receiver already */
  receive: (packet: Packet, isDirect: boolean) => void;
}

export interface BrokerOptions {
  name: string;
  scheduler: Scheduler;
  random: Random;
  /** streams by account; what a killed server leaves */
  disk: Map<string, Map<string, Stream>>;
  streamHooks: StreamHooks;
  isMarkerHidden: boolean;
}

/** Passes on what is for the other end of a link; false when nobody there listens. */
export type Forward = (packet: Packet) => boolean;

const laterLabel = labelOf('server');
const thinkShare = 0.3;
const thinkMs = 4;
const noBytes = new Uint8Array(0);

export class Account {
  readonly streams: Map<string, Stream>;
  forward: Forward | undefined;
  readonly #broker: Broker;
  readonly #api: Api;
  /** by subject, in the order of their first listeners */
  readonly #listeners = new Map<string, { isHit: (subject: string) => boolean; all: Listener[] }>();

  constructor(broker: Broker, streams: Map<string, Stream>, options: Omit<ApiOptions, 'streams' | 'consumerHooks'>) {
    this.#broker = broker;
    this.streams = streams;
    const consumerHooks = {
      nowMs: () => broker.scheduler.nowMs,
      later: (ms: number, work: () => void) => broker.later(ms, work),
      send: (inbox: string, packet: Packet) => void this.deliver(inbox, packet),
      hasInterest: (subject: string) => this.hasListener(subject),
    };
    this.#api = new Api({ ...options, streams, consumerHooks });
    for (const stream of streams.values()) for (const each of stream.consumers.values()) each.attach(consumerHooks);
  }

  listen(listener: Listener): () => void {
    const { subject } = listener;
    const here = this.#listeners.get(subject);
    // who is told of a packet is settled when it comes: lists are replaced, never changed
    this.#listeners.set(subject, { isHit: here?.isHit ?? matcher(subject), all: [...(here?.all ?? []), listener] });
    return () => this.#forget(listener);
  }

  #forget(listener: Listener): void {
    const here = this.#listeners.get(listener.subject);
    if (here === undefined) return;
    const all = here.all.filter((each) => each !== listener);
    if (all.length === 0) this.#listeners.delete(listener.subject);
    else this.#listeners.set(listener.subject, { ...here, all });
  }

  hasListener(subject: string): boolean {
    for (const { isHit } of this.#listeners.values()) if (isHit(subject)) return true;
    return false;
  }

  /** What a client of this account publishes. */
  publish(packet: Packet): void {
    const { subject } = packet;
    this.#broker.tell('<-', packet);
    if (subject.startsWith('$JS.API.')) this.#request(packet);
    else if (subject.startsWith('$JS.ACK.')) this.#broker.soon(() => this.#api.acknowledge(subject));
    else this.#pass(packet);
  }

  #pass(packet: Packet): void {
    const { subject, reply } = packet;
    const isStored = this.#store(packet);
    const isHeard = this.deliver(subject, packet) || (this.forward?.(packet) ?? false);
    if (!isStored && !isHeard && reply !== '') {
      this.deliver(reply, { subject: reply, reply: '', headers: headerBlock('503'), data: noBytes });
    }
  }

  /** To everybody here who listens to the subject. */
  deliver(subject: string, packet: Packet, isDirect = false): boolean {
    const told: Listener[] = [];
    for (const { isHit, all } of this.#listeners.values()) if (isHit(subject)) told.push(...all);
    for (const each of told) {
      this.#broker.tell('->', packet);
      each.receive(packet, isDirect);
    }
    return told.length > 0;
  }

  #request(packet: Packet): void {
    this.#broker.soon(() => {
      this.#reply(packet.reply, ...this.#api.answer(packet));
    });
  }

  #store(packet: Packet): boolean {
    for (const stream of this.streams.values()) {
      if (!stream.config.subjects.some((each) => matcher(each)(packet.subject))) continue;
      const outcome = stream.publish(packet);
      if (outcome === null || packet.reply === '') return true;
      const ack = 'error' in outcome ? outcome : { stream: stream.name, seq: outcome.seq };
      this.#reply(packet.reply, { headers: null, data: Buffer.from(JSON.stringify(ack)) });
      return true;
    }
    return false;
  }

  #reply(subject: string, ...answers: { headers: Uint8Array | null; data: Uint8Array }[]): void {
    if (answers.length === 0) return;
    this.#broker.soon(() => {
      for (const answer of answers) this.deliver(subject, { subject, reply: '', ...answer });
    });
  }
}

export class Broker {
  readonly process: Process;
  readonly scheduler: Scheduler;
  readonly #options: BrokerOptions;
  readonly #accounts = new Map<string, Account>();

  constructor(options: BrokerOptions) {
    const { scheduler, name } = options;
    this.#options = options;
    this.scheduler = scheduler;
    this.process = scheduler.createProcess(`${name} server`);
  }

  get isAlive(): boolean {
    return this.process.isAlive;
  }

  account(name: string): Account {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      const { disk, streamHooks, isMarkerHidden } = this.#options;
      const streams = disk.get(name) ?? new Map<string, Stream>();
      disk.set(name, streams);
      const wallMs = (atMs: number): number => 1_795_000_000_000 + atMs;
      account = new Account(this, streams, { streamHooks, isMarkerHidden, wallMs });
      this.#accounts.set(name, account);
    }
    return account;
  }

  tell(way: string, { subject, reply, data }: Packet): void {
    if (this.scheduler.onLine === undefined) return;
    const text = /[{+]/.test(String.fromCharCode(data[0] ?? 0))
      ? ` ${Buffer.from(data).toString().slice(0, 1_000)}`
      : '';
    this.scheduler.onLine(`  ${this.process.name} ${way} ${subject} ${reply} ${data.length} bytes${text}`);
  }

  later(ms: number, work: () => void): void {
    this.scheduler.at(ms, this.process, laterLabel, work);
  }

  /** At once, or after a moment of thought: what the server does for two requests may change places. */
  soon(work: () => void): void {
    const { random } = this.#options;
    if (random.isLikely(thinkShare)) this.later(random.next() * thinkMs, work);
    else work();
  }
}

const matchers = new Map<string, (subject: string) => boolean>();

/** Tells subjects of a subscription: of the bus these are literal, or have a wildcard as last token. */
function matcher(pattern: string): (subject: string) => boolean {
  const known = matchers.get(pattern) ?? createMatcher(pattern);
  matchers.set(pattern, known);
  return known;
}

function createMatcher(pattern: string): (subject: string) => boolean {
  const last = pattern.at(-1);
  if (last !== '>' && last !== '*') return (subject) => subject === pattern;
  const prefix = pattern.slice(0, -1);
  const isBehind = (subject: string): boolean => subject.length > prefix.length && subject.startsWith(prefix);
  if (last === '>') return isBehind;
  return (subject) => isBehind(subject) && !subject.includes('.', prefix.length);
}
