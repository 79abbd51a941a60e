/**
 * One of several sidecars of a site, by its number. One works, the others stand by with everything loaded and touch
 * nothing; which one is decided by the lease (src/site/lease.ts). Those that stand by say so on a subject of BUS, so that
 * the one at work can tell when it is alone. A sidecar that lost the lease ends: it is started again and stands by.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { Gauge, type Registry } from 'prom-client';
import type { SiteReport } from './api/site-report.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { Lease, type SiteServer } from './site/index.ts';

export interface SeatOptions {
  /** 1 and up */
  seat: number;
  site: SiteServer;
  /** nats-servers of the site */
  replicas: number;
  clock: Clock;
  log: Logger;
}

type Role = SiteReport['sidecars'][number];

const subject = 'mb.seat';
const tellMs = 500;
/** one that is not heard of for this long stands by no more */
const silentMs = 5_000;

export class Seat {
  readonly #options: SeatOptions;
  readonly #heard = new Map<number, number>();
  #lease: Lease | undefined;
  #timer: NodeJS.Timeout | undefined;
  #activeSinceMs: number | undefined;

  constructor(options: SeatOptions) {
    this.#options = options;
  }

  get isActive(): boolean {
    return this.#activeSinceMs !== undefined;
  }

  /** Why it neither works nor stands by, undefined when it does. */
  get hindrance(): string | undefined {
    return this.isActive || this.#lease?.isWaiting ? undefined : 'nobody holds the lease of the site yet';
  }

  /** The site's sidecars as this one knows them. */
  get roles(): Role[] {
    const { seat } = this.#options;
    if (!this.isActive) return [{ seat, role: 'standby' }];
    return [{ seat, role: 'active' }, ...this.#standbys().map((other) => ({ seat: other, role: 'standby' as const }))];
  }

  /** Sidecars that should stand by and do not, of so many that are declared; none in its first seconds. */
  missing(declared: number): number {
    const sinceMs = this.#activeSinceMs ?? Number.POSITIVE_INFINITY;
    if (this.#options.clock.monotonicMs() - sinceMs < silentMs) return 0;
    return Math.max(0, declared - 1 - this.#standbys().length);
  }

  /** Waits for the lease; resolves with the users of sidecars that held it before and may be alive. */
  async take(signal: AbortSignal): Promise<string[]> {
    const { site, seat, replicas, clock, log } = this.#options;
    const nc = await site.connect('BUS', { name: `seat ${seat}`, endsWhenRefused: true });
    this.#lease = new Lease({ nc, self: { user: site.user, seat }, replicas, clock, log });
    this.#tell(nc);
    const before = await this.#lease.acquire(signal);
    this.#activeSinceMs = clock.monotonicMs();
    clearInterval(this.#timer);
    nc.subscribe(`${subject}.*`, {
      callback: (error, message) => {
        if (error === null) this.#heard.set(Number(message.subject.split('.')[2]), clock.monotonicMs());
      },
    });
    log.info({ event: 'lease.taken', seat, before: before.length }, 'this sidecar works for the site');
    return before;
  }

  /** Settles with what this sidecar ends of: a failure of its start, or E_LEASE_LOST; resolves once it is stopped. */
  async untilLost(start: Promise<void>, stopped: AbortSignal): Promise<void> {
    try {
      await start;
      await this.#lease?.lost;
    } catch (error) {
      if (!stopped.aborted) throw error;
    }
  }

  /** Those before are shut out for good. */
  hasShut(): void {
    this.#lease?.shut();
  }

  /** Lets another take over at once. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#lease?.release();
  }

  registerMetrics(registry: Registry): void {
    const isActive = (): number => (this.isActive ? 1 : 0);
    const standbys = (): number => this.#standbys().length;
    new Gauge({
      name: 'mbus_sidecar_active',
      help: 'Whether this sidecar works for its site, of several',
      registers: [registry],
      collect() {
        this.set(isActive());
      },
    });
    new Gauge({
      name: 'mbus_sidecar_standbys',
      help: 'Sidecars that stand by, as the one at work hears of them',
      registers: [registry],
      collect() {
        this.set(standbys());
      },
    });
  }

  #tell(nc: NatsConnection): void {
    this.#timer = setInterval(() => {
      if (!nc.isClosed()) nc.publish(`${subject}.${this.#options.seat}`);
    }, tellMs);
  }

  #standbys(): number[] {
    const { clock, seat } = this.#options;
    const nowMs = clock.monotonicMs();
    return [...this.#heard]
      .filter(([other, atMs]) => other !== seat && nowMs - atMs < silentMs)
      .map(([other]) => other)
      .sort((a, b) => a - b);
  }
}

/** The problem of a site whose declared sidecars are not all there, as the one at work sees it. */
export function missingStandbys(seat: Seat | undefined, declared = 1): { code: string; text: string }[] {
  const missing = seat === undefined ? declared - 1 : seat.missing(declared);
  const why = seat === undefined ? 'the one that works was started without --seat' : 'the others are away';
  if (missing === 0) return [];
  return [{ code: 'E_NO_STANDBY', text: `${missing} of ${declared} sidecars do not stand by: ${why}` }];
}
