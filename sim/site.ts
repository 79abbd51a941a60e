/**
 * One site of the simulated bus: a nats-server with its disk, and a sidecar process that runs the product's Terminal on it.
 * Both can be killed and come back; what a process knew is gone then, what a server stored is there.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { Registry } from 'prom-client';
import type { Snapshot, SnapshotCustomer } from '../src/api/snapshot.ts';
import type { Logger } from '../src/log.ts';
import type { LinkSide, SiteServer } from '../src/site/index.ts';
import { createTerminalMetrics, Terminal } from '../src/terminal/index.ts';
import { Broker } from './broker/broker.ts';
import { connectSim, type SimConnection } from './broker/connection.ts';
import type { Stream, StreamHooks } from './broker/stream.ts';
import type { Leaf, LeafEnd } from './leaf.ts';
import type { Random } from './random.ts';
import { simClock } from './realm.ts';
import { labelOf, type Process, type Scheduler } from './scheduler.ts';
import { signerNamed } from './signature.ts';
import { keyNameOf } from './topology.ts';

export interface SiteOptions {
  name: string;
  scheduler: Scheduler;
  random: Random;
  snapshot: Snapshot;
  sides: LinkSide[];
  leafs: ReadonlyMap<string, Leaf>;
  macKey: Uint8Array;
  transitMaxBytes: number;
  stallShare: number;
  streamHooks: StreamHooks;
  isMarkerHidden: boolean;
  log: Logger;
}

interface Sidecar {
  process: Process;
  terminal: Terminal;
  connections: Set<SimConnection>;
  isConfigured: boolean;
}

const retryMs = 300;
const startLabel = labelOf('start');
const linkLabel = labelOf('link changes');
const metrics = createTerminalMetrics(new Registry());

export class Site {
  readonly name: string;
  readonly #options: SiteOptions;
  readonly #disk = new Map<string, Map<string, Stream>>();
  /** numbers of routing records that may have been used */
  #nextRecord = 1;
  #broker: Broker;
  #sidecar: Sidecar | undefined;

  constructor(options: SiteOptions) {
    this.#options = options;
    this.name = options.name;
    this.#broker = this.#createBroker();
  }

  get broker(): Broker {
    return this.#broker;
  }

  get sidecar(): Process | undefined {
    return this.#sidecar?.process;
  }

  get terminal(): Terminal | undefined {
    return this.#sidecar?.terminal;
  }

  get customerAccount(): string {
    return `C-${this.#customer.id}`;
  }

  get isReady(): boolean {
    return this.#sidecar?.isConfigured ?? false;
  }

  /** Streams of an account, whether the server runs or not. */
  streams(account: string): ReadonlyMap<string, Stream> {
    return this.#disk.get(account) ?? new Map();
  }

  endOf(side: LinkSide): LeafEnd {
    const { scheduler, random } = this.#options;
    return {
      name: this.name,
      account: () => {
        if (!this.#broker.isAlive) return null;
        return this.#broker.account(`link ${side.linkId}`);
      },
      receiver: () => this.#sidecar?.process ?? null,
      onChange: (isConnected) => {
        // told at once, or found by the next poll
        const afterMs = random.isLikely(0.8) ? 20 * random.next() : 1_000 * random.next();
        const process = this.#sidecar?.process ?? null;
        if (process === null) return;
        scheduler.at(afterMs, process, linkLabel, () => this.terminal?.connectionChanged(side.linkId, isConnected));
      },
    };
  }

  startServer(): void {
    if (this.#broker.isAlive) return;
    this.#broker = this.#createBroker();
    for (const leaf of this.#leafs()) leaf.serverStarted();
  }

  /** kill -9 of nats-server. `isDiskLate`: what it stored in its last moments is not on disk. */
  killServer(isDiskLate: boolean): void {
    if (!this.#broker.isAlive) return;
    const { scheduler, random } = this.#options;
    this.#broker.process.isAlive = false;
    for (const leaf of this.#leafs()) leaf.serverKilled();
    const removedSinceMs = scheduler.nowMs - 300 * random.next();
    const lostSinceMs = isDiskLate ? scheduler.nowMs - 300 * random.next() : Number.POSITIVE_INFINITY;
    for (const streams of this.#disk.values()) {
      for (const stream of streams.values()) {
        const isBack = stream.config.retention !== 'limits' && random.isLikely(0.5);
        stream.crash(isBack ? removedSinceMs : Number.POSITIVE_INFINITY, lostSinceMs);
        for (const consumer of stream.consumers.values()) consumer.crash(scheduler.nowMs - 300 * random.next());
        stream.settle();
      }
    }
    for (const connection of this.#sidecar?.connections ?? []) connection.break();
  }

  /** The cache for others is gone, or its newest part is. */
  loseTransit(): void {
    const { random } = this.#options;
    if (random.isLikely(0.5)) this.#disk.delete('BUS');
    else for (const stream of this.#disk.get('BUS')?.values() ?? []) stream.forget(random.next());
  }

  startSidecar(): void {
    if (this.#sidecar !== undefined) return;
    const { scheduler } = this.#options;
    const process = scheduler.createProcess(`${this.name} sidecar`);
    scheduler.at(0, process, startLabel, () => void this.#run(process));
  }

  killSidecar(): void {
    const sidecar = this.#sidecar;
    if (sidecar === undefined) return;
    this.#sidecar = undefined;
    sidecar.process.isAlive = false;
    for (const connection of sidecar.connections) connection.abandon();
  }

  /** Every connection between sidecar and server breaks. */
  breakConnections(): void {
    for (const connection of this.#sidecar?.connections ?? []) connection.break();
  }

  /** what the process holds: timers, and of its connections subscriptions, requests and unsent messages */
  get held(): number {
    const { process, connections } = this.#sidecar ?? {};
    return (process?.timers ?? 0) + [...(connections ?? [])].reduce((sum, { size }) => sum + size, 0);
  }

  get #customer(): SnapshotCustomer {
    return this.#options.snapshot.customers[0]!;
  }

  #leafs(): Leaf[] {
    return this.#options.sides.map(({ linkId }) => this.#options.leafs.get(linkId)!);
  }

  #createBroker(): Broker {
    const { scheduler, random, streamHooks, isMarkerHidden } = this.#options;
    return new Broker({ name: this.name, scheduler, random, disk: this.#disk, streamHooks, isMarkerHidden });
  }

  async #run(process: Process): Promise<void> {
    const { snapshot } = this.#options;
    const connections = new Set<SimConnection>();
    let terminal = this.#createTerminal(process, connections);
    const sidecar: Sidecar = { process, terminal, connections, isConfigured: false };
    this.#sidecar = sidecar;
    for (;;) {
      try {
        await terminal.start();
        break;
      } catch {
        await simClock.sleep(retryMs);
        terminal = this.#createTerminal(process, connections);
        sidecar.terminal = terminal;
      }
    }
    for (;;) {
      await terminal.configure(this.#customer, snapshot);
      sidecar.isConfigured = terminal.problems.length === 0;
      if (sidecar.isConfigured) return;
      await simClock.sleep(retryMs);
    }
  }

  #createTerminal(process: Process, connections: Set<SimConnection>): Terminal {
    const { snapshot, macKey, transitMaxBytes, log } = this.#options;
    const keyName = keyNameOf(this.name);
    return new Terminal(this.#customer, snapshot, {
      site: this.#createSite(process, connections),
      control: { call: () => Promise.reject(new Error('no control plane is simulated')) },
      keys: {
        signKey: keyName,
        wrapKey: '',
        sign: signerNamed(keyName),
        unwrap: () => Promise.reject(new Error('no keys are simulated')),
      },
      markerKey: macKey,
      serviceKey: () => '',
      sequence: {
        first: this.#nextRecord,
        reserve: (next) => {
          this.#nextRecord = next;
        },
      },
      transitMaxBytes,
      metrics,
      clock: simClock,
      log,
    });
  }

  #createSite(
    process: Process,
    connections: Set<SimConnection>,
  ): Pick<SiteServer, 'connect' | 'links' | 'isLinkUp' | 'redial' | 'storageFailures'> {
    const { scheduler, random, sides, leafs, stallShare } = this.#options;
    const delayMs = (): number => 0.05 + random.next() * 0.4 + (random.isLikely(stallShare) ? random.next() * 60 : 0);
    return {
      links: sides,
      storageFailures: 0,
      isLinkUp: (linkId) => leafs.get(linkId)?.isConnected ?? false,
      redial: async (linkId) => leafs.get(linkId)?.redial(),
      connect: async (target): Promise<NatsConnection> => {
        const account =
          typeof target === 'string' ? target : 'link' in target ? `link ${target.link}` : `C-${target.customer}`;
        const broker = (): Broker => this.#broker;
        const isShort = typeof target !== 'string' && 'link' in target;
        return connectSim({ scheduler, random, process, broker, account, delayMs, isShort, connections });
      },
    };
  }
}
