/**
 * The topics of a customer at this terminal: one runtime each, brought in line with the configuration, and the way out of
 * what they capture.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Snapshot, SnapshotCustomer, SnapshotTopic } from '../api/snapshot.ts';
import type { ParkReason, Shipment, Shipper } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import type { Arrivals, GroupStream } from '../delivery/index.ts';
import type { Flow, SignFn } from '../envelope/index.ts';
import type { HeldGroup } from '../groups/index.ts';
import type { Logger } from '../log.ts';
import type { Routes } from '../routing/index.ts';
import type { Sealer } from '../sealing/index.ts';
import type { LinkSession } from '../transit/index.ts';
import type { Formats } from './formats.ts';
import type { Names } from './names.ts';
import { createOutbound } from './outbound.ts';
import type { RouteWatch } from './route-watch.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';
import { TopicRuntime } from './topic-runtime.ts';

export interface TopicsOptions {
  customer: () => SnapshotCustomer;
  snapshot: () => Snapshot;
  routes: Routes;
  names: Names;
  watch: RouteWatch;
  sessions: ReadonlyMap<string, LinkSession>;
  sign: SignFn;
  formats: Formats;
  /** takes what no envelope can carry; resolves once it is stored */
  park: (flow: Flow, run: Shipment, why: ParkReason) => Promise<void>;
  metrics: TerminalMetrics;
  clock: Clock;
  log: Logger;
}

/** The customer's account, open. */
export interface TopicParts {
  nc: NatsConnection;
  jsm: JetStreamManager;
  sealer: Sealer;
  arrivals: Arrivals;
}

export class Topics {
  readonly #options: TopicsOptions;
  readonly #runtimes = new Map<string, TopicRuntime>();

  constructor(options: TopicsOptions) {
    this.#options = options;
  }

  get all(): ReadonlyMap<string, TopicRuntime> {
    return this.#runtimes;
  }

  /** Stops what the configuration does not have any more. */
  dropRemoved(): void {
    const { topics } = this.#options.customer();
    for (const [topicId, runtime] of this.#runtimes) {
      if (topics.some(({ id }) => id === topicId)) continue;
      runtime.stop();
      this.#runtimes.delete(topicId);
    }
  }

  /** Brings one topic in line. E_FOREIGN_STREAM E_NATS */
  async configure(topic: SnapshotTopic, parts: TopicParts): Promise<void> {
    let runtime = this.#runtimes.get(topic.id);
    if (runtime === undefined) {
      runtime = this.#create(topic, parts);
      this.#runtimes.set(topic.id, runtime);
    }
    await runtime.reconcile(topic, this.#options.customer(), this.#options.snapshot().site.maxPayload);
  }

  createShipper(sealer: Sealer, flow: Flow, topic: () => SnapshotTopic): Shipper {
    const { customer, snapshot, routes, watch, sessions, sign, formats, park, clock, metrics } = this.#options;
    return createOutbound({
      flow,
      customerId: customer().id,
      topic,
      snapshotVersion: () => snapshot().version,
      sealer,
      sign,
      routes,
      watch,
      sessions,
      clock,
      format: () => formats.agreed,
      isReadable: (terminalId) => formats.reasonNot(terminalId) === '',
      compressOf: (linkId) => customer().links.find((link) => link.id === linkId)?.compress ?? 'auto',
      park: (run, why) => park(flow, run, why),
      metrics,
    });
  }

  /** The streams of groups here, by group id. */
  streams(): Map<string, GroupStream> {
    return new Map([...this.#runtimes.values()].flatMap(({ groupStreams }) => [...groupStreams]));
  }

  /** Of topics whose capture stream's disk was put back to an older copy: what was found. */
  rolledBack(): string[] {
    return [...this.#runtimes.values()].map((runtime) => runtime.rolledBack).filter((text) => text !== '');
  }

  heldGroups(): HeldGroup[] {
    return [...this.#runtimes.values()].flatMap(({ topic, groupStreams }) =>
      topic.groups.flatMap((group) => {
        const stream = groupStreams.get(group.id);
        return stream === undefined ? [] : [{ topic, group, stream }];
      }),
    );
  }

  tick(): void {
    for (const runtime of this.#runtimes.values()) runtime.tick();
  }

  rewind(reason: string): void {
    for (const runtime of this.#runtimes.values()) runtime.rewind(reason);
  }

  stop(): void {
    for (const runtime of this.#runtimes.values()) runtime.stop();
  }

  #create(topic: SnapshotTopic, { nc, jsm, sealer, arrivals }: TopicParts): TopicRuntime {
    const { customer, routes, names, clock, log } = this.#options;
    return new TopicRuntime(topic, {
      nc,
      arrivals,
      jsm,
      terminalId: customer().terminalId,
      routes,
      names,
      clock,
      log: log.child({ topic: topic.name }),
      createShipper: (flow, currentTopic) => this.createShipper(sealer, flow, currentTopic),
    });
  }
}
