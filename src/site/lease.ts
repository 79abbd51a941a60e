/**
 * Which of a site's sidecars works: the one that holds the lease, a key in a bucket of the site's own BUS account.
 *
 *   standing by ──the lease is free, or was not renewed for leaseMs──▶ holding ──another has it, or let in no more──▶ lost
 *
 * Every write names the revision it replaces, so one of several wins. No clocks are compared: who stands by counts by its
 * own, and only while the bucket answers. Time decides when to take over, never what is safe: whoever takes the lease has
 * the holder before it shut out of every account first (fence.ts), however late that one wakes.
 */
import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { type KV, type KvEntry, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '../clock.ts';
import { BusError, errorText, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { natsCall } from '../nats/index.ts';

export interface Holder {
  /** of the holder's connections (U…), another one in each life */
  user: string;
  seat: number;
  /** users of earlier holders that are not known to be shut out yet; whoever takes the lease next inherits them */
  toShut?: string[];
}

export interface LeaseOptions {
  /** of account BUS; must end when its user is let in no more */
  nc: NatsConnection;
  self: Holder;
  /** servers that keep the bucket */
  replicas: number;
  clock: Clock;
  log: Logger;
}

const bucket = 'mb-site';
const key = 'lease';
const renewMs = 400;
const pollMs = 150;
/** without a renewal for this long the lease may be taken */
const leaseMs = 1_500;
const answerMs = 1_000;

export class Lease {
  /** rejects with E_LEASE_LOST; never resolves */
  readonly lost: Promise<never>;
  readonly #options: LeaseOptions;
  #lose: (error: BusError) => void = () => undefined;
  #kv: KV | undefined;
  #revision = 0;
  /** the revision that stands in the lease of another, and since when */
  #seen: { revision: number; sinceMs: number } | undefined;
  #toShut: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #isReleased = false;
  #isWaiting = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.lost = new Promise<never>((_, reject) => {
      this.#lose = reject;
    });
    this.lost.catch(() => undefined);
    void options.nc.closed().then(() => this.#end('this sidecar is let into its site no more'));
  }

  /** Whether another sidecar was seen at work. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Waits until the lease is this sidecar's, then renews it. Resolves with the users that must be shut out now. */
  async acquire(signal: AbortSignal): Promise<string[]> {
    const { clock, log } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      try {
        if (await this.#tryTake()) return this.#toShut;
      } catch (error) {
        if (!isBusError(error)) throw error;
        // nobody could renew it meanwhile: the time counts anew
        this.#seen = undefined;
        log.debug({ event: 'lease.unread', err: error }, 'the lease could not be read');
      }
      await clock.sleep(pollMs, signal);
    }
  }

  async #tryTake(): Promise<boolean> {
    const { self, clock, log } = this.#options;
    const entry = await this.#read();
    const holder = holderOf(entry);
    if (entry === null || holder === null) return this.#write(entry?.revision ?? 0);
    if (holder.user === self.user) {
      // taken by a write that was not answered
      this.#toShut = holder.toShut ?? [];
      this.#hold(entry.revision);
      return true;
    }
    if (this.#seen?.revision !== entry.revision) {
      this.#seen = { revision: entry.revision, sinceMs: clock.monotonicMs() };
      if (!this.#isWaiting) log.info({ event: 'lease.standby', seat: self.seat, active: holder.seat }, 'stands by');
      this.#isWaiting = true;
      return false;
    }
    if (clock.monotonicMs() - this.#seen.sinceMs < leaseMs) return false;
    this.#toShut = [holder.user, ...(holder.toShut ?? [])];
    return this.#write(entry.revision);
  }

  /** It is stored for every later life who is shut out. */
  shut(): void {
    this.#toShut = [];
  }

  /** Gives the lease up, so that another need not wait for its end; nothing when it is not held, or names who is to be shut out. */
  async release(): Promise<void> {
    this.#isReleased = true;
    clearTimeout(this.#timer);
    await this.#renewing;
    if (this.#revision === 0 || this.#toShut.length > 0 || this.#options.nc.isClosed()) return;
    const kv = await this.#bucket();
    await natsCall('release of the lease', () => kv.delete(key, { previousSeq: this.#revision }));
  }

  /** Puts the holder's own name under the revision that was read; false when somebody else was first. */
  async #write(revision: number): Promise<boolean> {
    const kv = await this.#bucket();
    const holder: Holder = { ...this.#options.self, ...(this.#toShut.length > 0 && { toShut: this.#toShut }) };
    try {
      this.#hold(await kv.put(key, JSON.stringify(holder), { previousSeq: revision }));
      return true;
    } catch (error) {
      if (error instanceof JetStreamApiError) return false;
      throw new BusError('E_NATS', `the lease: ${errorText(error)}`, { cause: error });
    }
  }

  #hold(revision: number): void {
    this.#revision = revision;
    if (this.#isReleased) return;
    this.#timer = setTimeout(() => {
      this.#renewing = this.#renew();
    }, renewMs);
  }

  async #renew(): Promise<void> {
    try {
      if (await this.#write(this.#revision)) return;
      // a renewal that was not answered may have been stored
      const entry = await this.#read();
      if (entry === null || holderOf(entry)?.user !== this.#options.self.user)
        return this.#end('another sidecar has taken over');
      this.#hold(entry.revision);
    } catch (error) {
      if (!isBusError(error)) throw error;
      this.#options.log.debug({ event: 'lease.not-renewed', err: error }, 'the lease was not renewed, tries again');
      this.#hold(this.#revision);
    }
  }

  #end(reason: string): void {
    clearTimeout(this.#timer);
    if (!this.#isReleased) this.#lose(new BusError('E_LEASE_LOST', reason));
  }

  /** From the bucket's leader, null when there is none. E_NATS */
  async #read(): Promise<KvEntry | null> {
    const kv = await this.#bucket();
    return natsCall('the lease', () => kv.get(key));
  }

  async #bucket(): Promise<KV> {
    const { nc, replicas } = this.#options;
    const kvm = new Kvm(jetstream(nc, { timeout: answerMs }));
    this.#kv ??= await natsCall('the lease', () => kvm.create(bucket, { history: 1, replicas, allow_direct: false }));
    return this.#kv;
  }
}

/** Null when it was given up. */
function holderOf(entry: KvEntry | null): Holder | null {
  return entry === null || entry.operation !== 'PUT' ? null : entry.json<Holder>();
}
