/**
 * What a terminal does for the others of its customer: the transit cache with its forwarder, receipts and release notes on
 * their way back, and the log of paths. Every terminal sends receipts and notes paths; only one that may carry has a cache.
 */
import type { SnapshotCustomer } from '../api/snapshot.ts';
import type { Clock } from '../clock.ts';
import type { SignFn } from '../envelope/index.ts';
import type { Logger } from '../log.ts';
import type { Routes } from '../routing/index.ts';
import type { SiteServer } from '../site/index.ts';
import { type LinkSession, PathLog, ReceiptBook, ReleaseNotes, Transit, TransitCache } from '../transit/index.ts';
import type { Formats } from './formats.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface CarryingOptions {
  site: Pick<SiteServer, 'connect'>;
  customer: SnapshotCustomer;
  routes: Routes;
  sessions: ReadonlyMap<string, LinkSession>;
  sign: SignFn;
  formats: Formats;
  metrics: TerminalMetrics;
  clock: Clock;
  log: Logger;
  /** room for what is carried, bytes on disk */
  maxBytes?: number | undefined;
}

const defaultMaxBytes = 1024 * 1024 * 1024;

export class Carrying {
  readonly receipts: ReceiptBook;
  readonly notes: ReleaseNotes;
  readonly paths = new PathLog();
  readonly #options: CarryingOptions;
  #customer: SnapshotCustomer;
  #transit: Transit | null = null;
  #close: () => Promise<void> = async () => undefined;

  constructor(options: CarryingOptions) {
    const { customer, routes, sessions, sign, formats } = options;
    const format = (): number => formats.agreed;
    this.#options = options;
    this.#customer = customer;
    const note = (linkId: string, frame: Uint8Array): void => sessions.get(linkId)?.note(frame);
    const { id: customerId, terminalId } = customer;
    this.receipts = new ReceiptBook({ terminalId, routes, format, note });
    this.notes = new ReleaseNotes({ customerId, terminalId, sign, routes, format, note });
  }

  /** null while this terminal carries nothing for others */
  get transit(): Transit | null {
    return this.#transit;
  }

  /** Opens the cache when the configuration lets this terminal carry, and closes it when it does not any more. E_NATS */
  async configure(customer: SnapshotCustomer): Promise<void> {
    this.#customer = customer;
    const self = customer.terminals.find(({ id }) => id === customer.terminalId);
    const mayCarry = self !== undefined && (self.mode === 'server' || self.transit);
    if (mayCarry && this.#transit === null) await this.#open();
    if (!mayCarry) await this.#end();
  }

  async stop(): Promise<void> {
    this.receipts.stop();
    await this.#end();
  }

  async #open(): Promise<void> {
    const { site, customer, routes, sessions, metrics, clock, log, maxBytes = defaultMaxBytes } = this.#options;
    const { id: customerId, terminalId, name } = customer;
    const nc = await site.connect('BUS', { name: `transit ${name}` });
    const labels = { customer: name };
    const transit = new Transit({
      terminalId,
      cache: new TransitCache({ nc, customerId, maxBytes, log }),
      maxBytes,
      routes,
      links: sessions,
      format: () => this.#options.formats.agreed,
      receipts: this.receipts,
      metrics: {
        stored: () => metrics.transitStored.inc(labels),
        repeated: () => metrics.transitRepeated.inc(labels),
        forwarded: (bytes) => {
          metrics.transitForwarded.inc(labels);
          metrics.transitForwardedBytes.inc(labels, bytes);
        },
        released: () => metrics.transitReleased.inc(labels),
        usedBytes: (bytes) => metrics.transitUsed.set(labels, bytes),
      },
      onReleased: (index, terminalId) => this.notes.tell(index, terminalId),
      isTerminal: (terminalId) => this.#customer.terminals.some(({ id }) => id === terminalId),
      clock,
      log,
    });
    try {
      await transit.start();
    } catch (error) {
      transit.stop();
      await nc.close();
      throw error;
    }
    this.#transit = transit;
    this.#close = async () => {
      transit.stop();
      await nc.close();
    };
  }

  async #end(): Promise<void> {
    this.#transit = null;
    const close = this.#close;
    this.#close = async () => undefined;
    await close();
  }
}
