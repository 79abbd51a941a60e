/**
 * A client's connection into one account of a simulated server: what of NatsConnection the product and the JetStream client
 * use. Like the real client it reconnects for ever, keeps its subscriptions, and lets requests under way run into their
 * time-outs; what was published while it was away is mostly lost.
 */
import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { errors, MsgImpl } from '@nats-io/nats-core/internal';
import { BusError } from '../../src/errors.ts';
import type { Random } from '../random.ts';
import { labelOf, type Process, type Scheduler } from '../scheduler.ts';
import type { Account, Broker } from './broker.ts';
import { Channel } from './channel.ts';
import { packetsOf } from './raw.ts';
import type { Packet } from './stream.ts';

export interface ConnectionOptions {
  scheduler: Scheduler;
  random: Random;
  /** the client */
  process: Process;
  /** the server that runs now, or the last one */
  broker: () => Broker;
  account: string;
  delayMs: () => number;
  /** what is published is at the server at once: the way over a link has a delay of its own */
  isShort: boolean;
  /** every open connection of the client */
  connections: Set<SimConnection>;
}

type Upward = { kind: 'publish'; packet: Packet } | { kind: 'listen'; sid: number; subject: string } | Ending;
type Ending = { kind: 'silence'; sid: number } | { kind: 'end' };

interface Subscription {
  sid: number;
  subject: string;
  callback: (error: Error | null, message: Msg) => void;
}

interface Wire {
  up: Pick<Channel<Upward>, 'send' | 'cut'>;
  down: Channel<{ sid: number; packet: Packet }>;
}

interface PublishOptions {
  headers?: { encode(): Uint8Array };
  reply?: string;
}

const encoder = new TextEncoder();
const noBytes = new Uint8Array(0);
const connectionLabel = labelOf('connection');
const retryMs = 100;
const keptShare = 0.3;

/** Connects; E_SERVER_AWAY when the server is down. */
export async function connectSim(options: ConnectionOptions): Promise<NatsConnection> {
  const connection = new SimConnection(options);
  await connection.open();
  return connection as unknown as NatsConnection;
}

export class SimConnection {
  readonly options = { inboxPrefix: '_INBOX' };
  readonly features = { get: () => ({ min: '2.15.1', ok: true }) };
  readonly info = { server_id: 'sim', max_payload: 8 * 1024 * 1024, headers: true };
  readonly protocol = { sendCommand: (bytes: Uint8Array) => this.#sendRaw(bytes) };
  readonly #options: ConnectionOptions;
  readonly #inbox: string;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #requests = new Map<string, (message: Msg) => void>();
  readonly #statuses = new Set<(status: { type: string }) => void>();
  #wire: Wire | undefined;
  #unsent: Upward[] = [];
  #sids = 0;
  #tokens = 0;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#inbox = `_INBOX.${options.scheduler.nextSerial()}.`;
  }

  open(): Promise<void> {
    const { scheduler, process, delayMs } = this.#options;
    return new Promise((resolve, reject) => {
      scheduler.at(3 * delayMs(), process, connectionLabel, () => {
        if (!this.#attach()) return reject(new BusError('E_SERVER_AWAY', 'the simulated server is down'));
        this.#options.connections.add(this);
        this.subscribe(`${this.#inbox}*`, { callback: (_, message) => this.#answer(message) });
        resolve();
      });
    });
  }

  publish(subject: string, data: Uint8Array | string = noBytes, options: PublishOptions = {}): void {
    if (this.#isClosed) throw new errors.ClosedConnectionError();
    const headers = options.headers?.encode() ?? null;
    const bytes = typeof data === 'string' ? encoder.encode(data) : new Uint8Array(data);
    this.#send({ kind: 'publish', packet: { subject, reply: options.reply ?? '', headers, data: bytes } });
  }

  request(
    subject: string,
    data?: Uint8Array | string,
    options: { timeout?: number } & PublishOptions = {},
  ): Promise<Msg> {
    if (this.#isClosed) return Promise.reject(new errors.ClosedConnectionError());
    this.#tokens += 1;
    const reply = `${this.#inbox}${this.#tokens}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#requests.delete(reply);
        reject(new errors.TimeoutError());
      }, options.timeout ?? 1_000);
      this.#requests.set(reply, (message) => {
        clearTimeout(timer);
        if (message.data.length > 0 || message.headers?.code !== 503) return resolve(message);
        const cause = new errors.NoRespondersError(subject);
        reject(new errors.RequestError(cause.message, { cause }));
      });
      const { headers } = options;
      this.publish(subject, data, headers === undefined ? { reply } : { reply, headers });
    });
  }

  subscribe(subject: string, { callback }: Partial<Pick<Subscription, 'callback'>> = {}) {
    if (callback === undefined) throw new Error('the simulation knows subscriptions with a callback only');
    this.#sids += 1;
    const sid = this.#sids;
    this.#subscriptions.set(sid, { sid, subject, callback });
    this.#send({ kind: 'listen', sid, subject });
    const unsubscribe = (): void => {
      if (this.#subscriptions.delete(sid)) this.#send({ kind: 'silence', sid });
    };
    return { unsubscribe, getSubject: () => subject, isDraining: () => false, closed: new Promise<void>(() => {}) };
  }

  status() {
    const waiting: { type: string }[] = [];
    let wake: () => void = () => undefined;
    let isStopped = false;
    const note = (status: { type: string }): void => {
      waiting.push(status);
      wake();
    };
    this.#statuses.add(note);
    const stop = (): void => {
      isStopped = true;
      this.#statuses.delete(note);
      wake();
    };
    async function* iterate(): AsyncGenerator<{ type: string }> {
      while (!isStopped) {
        for (let status = waiting.shift(); status !== undefined; status = waiting.shift()) yield status;
        if (!isStopped) await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    return Object.assign(iterate(), { stop });
  }

  isClosed(): boolean {
    return this.#isClosed;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#options.connections.delete(this);
    this.#wire?.up.send({ kind: 'end' });
    this.#wire?.down.close();
    this.#wire = undefined;
    for (const note of this.#statuses) note({ type: 'close' });
  }

  closed(): Promise<void> {
    return new Promise(() => {});
  }

  addCloseListener(): void {}

  removeCloseListener(): void {}

  /** The connection breaks, for this reason or that; the client tries again. What is under way up to then is partly lost. */
  break(): void {
    const wire = this.#wire;
    if (wire === undefined) return;
    this.#wire = undefined;
    wire.up.cut({ kind: 'end' });
    wire.down.cut();
    const { scheduler, process, random } = this.#options;
    scheduler.at(random.next() * 20, process, connectionLabel, () => this.#lost());
  }

  /** The client was killed: a part of what it sent may still arrive. */
  abandon(): void {
    this.#wire?.up.cut({ kind: 'end' });
    this.#wire?.down.close();
    this.#wire = undefined;
  }

  #lost(): void {
    if (this.#isClosed) return;
    for (const note of this.#statuses) note({ type: 'disconnect' });
    this.#retry();
  }

  #retry(): void {
    const { scheduler, process, random } = this.#options;
    scheduler.at(retryMs * (1 + random.next()), process, connectionLabel, () => {
      if (this.#isClosed) return;
      if (!this.#attach()) return this.#retry();
      for (const { sid, subject } of this.#subscriptions.values()) this.#send({ kind: 'listen', sid, subject });
      const unsent = random.isLikely(keptShare) ? this.#unsent : [];
      this.#unsent = [];
      for (const item of unsent) if (item.kind === 'publish') this.#send(item);
      for (const note of this.#statuses) note({ type: 'reconnect' });
    });
  }

  #sendRaw(bytes: Uint8Array): void {
    for (const packet of packetsOf(bytes)) this.#send({ kind: 'publish', packet });
  }

  #send(item: Upward): void {
    if (this.#wire !== undefined) this.#wire.up.send(item);
    else if (this.#unsent.length < 100) this.#unsent.push(item);
  }

  #attach(): boolean {
    const { broker: current, account: name, scheduler, random, process, delayMs, isShort } = this.#options;
    const broker = current();
    if (!broker.isAlive) return false;
    const account = broker.account(name);
    const common = { scheduler, random, delayMs };
    const down = new Channel<{ sid: number; packet: Packet }>({
      ...common,
      receiver: process,
      label: `from ${name}`,
      onItem: ({ sid, packet }) => this.#receive(sid, packet),
    });
    const endpoint = new Endpoint(account, (sid, packet, isDirect) => {
      if (isDirect) this.#receive(sid, packet);
      else down.send({ sid, packet });
    });
    const up = new Channel<Upward>({
      ...common,
      receiver: broker.process,
      label: `to ${name}`,
      onItem: (item) => endpoint.take(item),
    });
    this.#wire = { up: isShort ? new Shortcut(endpoint) : up, down };
    return true;
  }

  #receive(sid: number, { subject, reply, headers, data }: Packet): void {
    const subscription = this.#subscriptions.get(sid);
    if (subscription === undefined) return;
    const bytes = headers === null ? data : Buffer.concat([headers, data]);
    const sizes = {
      subject: noBytes,
      reply: noBytes,
      hdr: headers === null ? -1 : headers.length,
      sid,
      size: bytes.length,
    };
    const message = new MsgImpl(sizes, bytes, this as never);
    // what it would decode from its bytes
    message._subject = subject;
    message._reply = reply;
    subscription.callback(null, message);
  }

  #answer(message: Msg): void {
    const answer = this.#requests.get(message.subject);
    this.#requests.delete(message.subject);
    answer?.(message);
  }

  /** subscriptions and requests that are open, for bounds */
  get size(): number {
    return this.#subscriptions.size + this.#requests.size + this.#unsent.length;
  }
}

/** The server's end of a connection. */
class Endpoint {
  readonly #account: Account;
  readonly #send: (sid: number, packet: Packet, isDirect: boolean) => void;
  readonly #stops = new Map<number, () => void>();

  constructor(account: Account, send: (sid: number, packet: Packet, isDirect: boolean) => void) {
    this.#account = account;
    this.#send = send;
  }

  take(item: Upward): void {
    switch (item.kind) {
      case 'publish':
        this.#account.publish(item.packet);
        return;
      case 'listen': {
        const { sid, subject } = item;
        this.#stops.set(
          sid,
          this.#account.listen({ subject, receive: (packet, isDirect) => this.#send(sid, packet, isDirect) }),
        );
        return;
      }
      case 'silence':
        this.#stops.get(item.sid)?.();
        this.#stops.delete(item.sid);
        return;
      case 'end':
        for (const stop of this.#stops.values()) stop();
        this.#stops.clear();
    }
  }
}

/** A way up without delay. */
class Shortcut {
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  send(item: Upward): void {
    this.#endpoint.take(item);
  }

  cut(last?: Upward): void {
    if (last !== undefined) this.#endpoint.take(last);
  }
}
