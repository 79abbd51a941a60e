/**
 * A link between two servers, and what can happen to it. It carries what somebody at the other end listens to, in order per
 * direction. Cut: what is under way is lost and both ends hear of it. Silent: nothing arrives and nobody is told; later it
 * all arrives after all, or the connection breaks.
 */
import type { Account } from './broker/broker.ts';
import { Channel } from './broker/channel.ts';
import type { Packet } from './broker/stream.ts';
import type { Random } from './random.ts';
import { type Cancel, labelOf, type Process, type Scheduler } from './scheduler.ts';

export interface LeafEnd {
  name: string;
  /** the server that runs now */
  account: () => Account | null;
  /** the sidecar that runs now */
  receiver: () => Process | null;
  /** the server sees the connection come or go */
  onChange: (isConnected: boolean) => void;
}

export interface LeafOptions {
  scheduler: Scheduler;
  random: Random;
  linkId: string;
  ends: readonly [LeafEnd, LeafEnd];
  /** one way, milliseconds */
  latencyMs: number;
  /** share of frames that arrive twice */
  replayShare: number;
  /** what a variant of the simulation sends behind a packet */
  companions: (packet: Packet) => Packet[];
}

type Side = 0 | 1;

const reconnectMs = 200;
const leafLabel = labelOf('leaf');

export class Leaf {
  readonly #options: LeafOptions;
  /** towards the end of that index */
  #wires: [Channel<Packet>, Channel<Packet>] | undefined;
  readonly #held: [Packet[], Packet[]] = [[], []];
  #isCut = false;
  #isSilent = false;
  #extraMs = 0;
  #dialling: Cancel | undefined;

  constructor(options: LeafOptions) {
    this.#options = options;
  }

  get linkId(): string {
    return this.#options.linkId;
  }

  get isConnected(): boolean {
    return this.#wires !== undefined;
  }

  /** bytes do not get through */
  get isBroken(): boolean {
    return this.#isCut || this.#isSilent;
  }

  /** A server came up, with a new account for the link. */
  serverStarted(): void {
    for (const side of [0, 1] as const) {
      const account = this.#options.ends[side].account();
      if (account !== null) account.forward = (packet) => this.#forward(side, packet);
    }
    this.#dial();
  }

  serverKilled(): void {
    this.#disconnect();
  }

  cut(): void {
    this.#isCut = true;
    this.#disconnect();
  }

  silence(): void {
    this.#isSilent = true;
  }

  slow(extraMs: number): void {
    this.#extraMs = extraMs;
  }

  /** Whatever was wrong is over. After silence what was sent meanwhile arrives, or the connection is made anew. */
  restore(): void {
    const wasSilent = this.#isSilent;
    this.#isCut = false;
    this.#isSilent = false;
    this.#extraMs = 0;
    if (wasSilent && this.#options.random.isLikely(0.5)) this.#release();
    else if (wasSilent) this.#disconnect();
    this.#dial();
  }

  /** The dialling end makes its connection anew. */
  redial(): void {
    this.#disconnect();
    this.#dial();
  }

  #forward(from: Side, packet: Packet): boolean {
    const { ends, random, replayShare, companions } = this.#options;
    const to = from === 0 ? 1 : 0;
    const wire = this.#wires?.[to];
    if (wire === undefined) return false;
    if (!this.#isSilent && !(ends[to].account()?.hasListener(packet.subject) ?? false)) return false;
    for (const each of [packet, ...companions(packet)]) wire.send(each);
    if (replayShare > 0 && random.isLikely(replayShare)) wire.send({ ...packet, reply: '' });
    return true;
  }

  #arrive(to: Side, packet: Packet): void {
    if (this.#isSilent) this.#held[to].push(packet);
    else this.#options.ends[to].account()?.deliver(packet.subject, packet, true);
  }

  #release(): void {
    for (const side of [0, 1] as const) {
      for (const packet of this.#held[side].splice(0)) this.#wires?.[side].send(packet);
    }
  }

  #dial(): void {
    const { scheduler, random } = this.#options;
    if (this.#dialling !== undefined || this.#wires !== undefined) return;
    this.#dialling = scheduler.at(reconnectMs * (0.5 + random.next()), null, leafLabel, () => {
      this.#dialling = undefined;
      if (this.isBroken) return;
      this.#connect();
    });
  }

  #connect(): void {
    if (this.#options.ends.some((end) => end.account() === null)) return;
    this.#wires = [this.#wireTo(0), this.#wireTo(1)];
    for (const end of this.#options.ends) end.onChange(true);
  }

  #wireTo(side: Side): Channel<Packet> {
    const { scheduler, random, latencyMs, ends } = this.#options;
    return new Channel<Packet>({
      scheduler,
      random,
      receiver: ends[side].receiver,
      label: `link to ${ends[side].name}`,
      delayMs: () =>
        latencyMs * (0.8 + 0.6 * random.next()) + (random.isLikely(0.03) ? 50 * random.next() : 0) + this.#extraMs,
      onItem: (packet) => this.#arrive(side, packet),
    });
  }

  #disconnect(): void {
    const wires = this.#wires;
    if (wires === undefined) return;
    this.#wires = undefined;
    for (const side of [0, 1] as const) {
      this.#held[side] = [];
      if (this.#isSilent) wires[side].close();
      else wires[side].cut();
    }
    for (const end of this.#options.ends) end.onChange(false);
  }
}
