/**
 * A customer's presence at this site, at work: links, topics, the way out and the way in. One per customer; customers
 * share nothing but the process.
 *
 * `configure` brings it in line with a snapshot. A topic that cannot be brought in line is a problem of that topic alone:
 * it is reported, tried again, and the others go on.
 */
import { type ConsumerInfo, type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ControlClient } from '../api/methods.ts';
import type { Snapshot, SnapshotCustomer, SnapshotTopic } from '../api/snapshot.ts';
import type { ParkReason, Shipment, Shipper } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import { Arrivals, countQuarantined } from '../delivery/index.ts';
import type { Flow, PublicKeyLike } from '../envelope/index.ts';
import { BusError, errorText, isBusError } from '../errors.ts';
import { GroupKeeper, type HeldGroup, removeLeftOvers } from '../groups/index.ts';
import type { TerminalKeys } from '../keys/index.ts';
import type { Logger } from '../log.ts';
import { Routes, type SequenceStore } from '../routing/index.ts';
import { createOpener, createSealer, type Opener, type Sealer, type TicketUsage } from '../sealing/index.ts';
import type { LinkSide, SiteServer } from '../site/index.ts';
import { soon } from '../soon.ts';
import type { LinkSession } from '../transit/index.ts';
import { Carrying } from './carrying.ts';
import { Drops } from './drops.ts';
import { GroupWatch } from './group-watch.ts';
import { Inbound } from './inbound.ts';
import { Letters } from './letters.ts';
import { Links } from './links.ts';
import { Losses } from './losses.ts';
import { createOutbound } from './outbound.ts';
import { RouteWatch } from './route-watch.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';
import { TopicRuntime } from './topic-runtime.ts';

export interface TerminalOptions {
  site: Pick<SiteServer, 'connect' | 'links' | 'isLinkUp' | 'redial'>;
  control: Pick<ControlClient, 'call'>;
  keys: TerminalKeys;
  /** 32 bytes, for the MAC of markers */
  markerKey: Uint8Array;
  serviceKey: () => PublicKeyLike;
  /** numbers of routing records, which outlive the process */
  sequence: SequenceStore;
  /** room for what is carried for others, bytes; default 1 GiB */
  transitMaxBytes?: number | undefined;
  metrics: TerminalMetrics;
  clock: Clock;
  log: Logger;
}

export interface Problem {
  code: string;
  text: string;
}

interface Parts {
  nc: NatsConnection;
  jsm: JetStreamManager;
  sealer: Sealer;
  opener: Opener;
  arrivals: Arrivals;
  inbound: Inbound;
  groups: GroupKeeper;
  letters: Letters;
}

const tickMs = 500;

export class Terminal {
  /** what the durables of its groups tell from report to report */
  readonly groupWatch = new GroupWatch();
  readonly #options: TerminalOptions;
  readonly #routes: Routes;
  readonly #watch: RouteWatch;
  readonly #carrying: Carrying;
  readonly #links: Links;
  readonly #sessions = new Map<string, LinkSession>();
  readonly #topics = new Map<string, TopicRuntime>();
  readonly #problems = new Map<string, Problem>();
  readonly #losses: Losses;
  readonly #drops: Drops;
  #leftOvers: string[] = [];
  #quarantined = 0;
  #customer: SnapshotCustomer;
  #snapshot: Snapshot;
  #parts: Parts | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #queueTick = soon(() => this.#tick());

  constructor(customer: SnapshotCustomer, snapshot: Snapshot, options: TerminalOptions) {
    this.#customer = customer;
    this.#snapshot = snapshot;
    this.#options = options;
    const { site, metrics, clock, log } = options;
    this.#routes = this.#createRoutes();
    const routes = this.#routes;
    this.#links = this.#createLinks();
    this.#carrying = new Carrying({
      site,
      customer,
      routes,
      sessions: this.#sessions,
      sign: options.keys.sign,
      metrics,
      clock,
      log,
      maxBytes: options.transitMaxBytes,
    });
    this.#watch = new RouteWatch({
      routes,
      queueMs: (id) => this.#queueMs(id),
      onOverdue: this.#queueTick,
      onShunned: (over, id) => this.#noteShunned(over, id),
      clock,
    });
    this.#routes.onChange(this.#queueTick);
    this.#losses = this.#createLosses();
    this.#drops = new Drops((id, messages) => metrics.messagesDropped.inc(this.#groupLabels(id), messages));
  }

  get customer(): SnapshotCustomer {
    return this.#customer;
  }

  get topics(): ReadonlyMap<string, TopicRuntime> {
    return this.#topics;
  }

  get links(): ReadonlyMap<string, { side: LinkSide; session: LinkSession }> {
    return this.#links.all;
  }

  get routes(): Pick<Routes, 'table' | 'costOf'> {
    return this.#routes;
  }

  /** What it carries for others, and the ways envelopes came. */
  get carrying(): Pick<Carrying, 'transit' | 'paths'> {
    return this.#carrying;
  }

  get problems(): Problem[] {
    const told = (code: string, texts: readonly string[]): Problem[] => texts.map((text) => ({ code, text }));
    return [
      ...this.#problems.values(),
      ...told('E_LEFT_OVER', this.#leftOvers),
      ...told('E_ROLLED_BACK', this.#losses.texts()),
      ...told('E_SHUNNED', this.#shunnedTexts()),
      ...told('E_QUARANTINED', this.#quarantinedTexts()),
      ...told(
        'E_TERMINAL_FORGOTTEN',
        this.#isForgotten ? [`${this.#customer.name}: an operator gave this terminal up`] : [],
      ),
    ];
  }

  /** Why a group's messages stay from its consumers here, empty when they do not. */
  groupReason(topicId: string, groupId: string): string {
    const { groups, letters, opener } = this.#parts ?? {};
    const reasons = [groups?.reasonOf(groupId), letters?.problemOf(groupId), opener?.waitingReason(topicId)];
    return reasons.filter(Boolean).join('; ');
  }

  /** Messages of the group that were dropped here because its stream was full. */
  droppedOf(groupId: string): number {
    return this.#drops.of(groupId);
  }

  /** Looks at a group that drops its oldest. */
  sampleDrops(groupId: string, { state }: StreamInfo, { delivered, num_pending: pending }: ConsumerInfo): void {
    this.#drops.sample(groupId, { last: state.last_seq, deliveries: delivered.consumer_seq, pending });
  }

  /** Undefined until it has started. */
  get letters(): Letters | undefined {
    return this.#parts?.letters;
  }

  /** Sent on to another terminal with a group's backlog, and not receipted there yet. */
  movingTo(groupId: string): { terminalId: string; messages: number }[] {
    return this.#parts?.groups.awaitedOf(groupId) ?? [];
  }

  /** Messages sealed with each of its tickets. */
  get sealed(): TicketUsage[] {
    return this.#parts?.sealer.usage() ?? [];
  }

  get jsm(): JetStreamManager | undefined {
    return this.#parts?.jsm;
  }

  isTopicReady(topicId: string): boolean {
    return this.#topics.get(topicId)?.isReady ?? false;
  }

  /** Opens the customer's account and starts. E_SERVER_AWAY E_NATS */
  async start(): Promise<void> {
    const { site, control, keys, markerKey, serviceKey, clock, log } = this.#options;
    const { id: customerId, terminalId, name } = this.#customer;
    const nc = await site.connect({ customer: customerId }, { name: `sidecar ${name}` });
    const jsm = await jetstreamManager(nc, { checkAPI: false });
    const common = { control, customerId, terminalId, keys, serviceKey, clock, log };
    const sealer = createSealer(common);
    const opener = createOpener(common);
    const arrivals = new Arrivals(
      {
        nc,
        jsm,
        opener,
        macKey: markerKey,
        onStored: this.#countStored,
        onLost: (loss) => this.#losses.note(loss),
        onQuarantined: (topic, reason) => this.#noteQuarantined(topic, reason),
      },
      this.#arrivalConfig(),
    );
    const groups = this.#createKeeper(nc, jsm, sealer);
    const letters = this.#createLetters(nc, jsm, groups);
    this.#parts = { nc, jsm, sealer, opener, arrivals, inbound: this.#createInbound(arrivals), groups, letters };
    groups.start();
    letters.start();
    void this.#watchConnection(nc);
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** Brings links and topics in line; never throws for one of them, see `problems`. */
  async configure(customer: SnapshotCustomer, snapshot: Snapshot): Promise<void> {
    this.#customer = customer;
    this.#snapshot = snapshot;
    this.#routes.configure(customer);
    await this.#attempt('transit', () => this.#carrying.configure(customer));
    await this.#links.configure((what, work) => this.#attempt(what, work));
    await this.#configureTopics();
    await this.#attempt('quarantine', () => this.#countQuarantined());
    this.#parts?.arrivals.configure(this.#arrivalConfig());
    this.#parts?.groups.configure(customer, this.#heldGroups());
    await this.#attempt('dead letters', async () => this.#parts?.letters.configure(customer));
    this.#tick();
  }

  /** What nats-server says of a leaf connection; a closed one is down at once. */
  connectionChanged(linkId: string, isUp: boolean): void {
    this.#sessions.get(linkId)?.connectionChanged(isUp);
  }

  /** JetStream was started anew under connections that stand. */
  storageRestarted(): void {
    this.#readAgain('JetStream was started anew');
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#parts?.letters.stop();
    this.#parts?.groups.stop();
    for (const topic of this.#topics.values()) topic.stop();
    await this.#links.stop();
    this.#watch.stop();
    await this.#carrying.stop();
    this.#parts?.sealer.stop();
    this.#parts?.opener.stop();
    await this.#parts?.nc.close();
  }

  async #countQuarantined(): Promise<void> {
    if (this.#parts !== undefined) this.#quarantined = await countQuarantined(this.#parts.jsm);
  }

  #noteQuarantined(topic: string, reason: string): void {
    const { metrics, log } = this.#options;
    metrics.envelopesQuarantined.inc({ topic });
    this.#quarantined += 1;
    log.warn(
      { event: 'arrival.quarantined', topic, reason },
      'an envelope may not be opened any more: see mb-quarantine',
    );
  }

  #quarantinedTexts(): string[] {
    if (this.#quarantined === 0) return [];
    return [
      `${this.#customer.name}: ${this.#quarantined} envelopes came too late to be opened: they lie sealed in mb-quarantine`,
    ];
  }

  #createRoutes(): Routes {
    const { keys, sequence, metrics, clock } = this.#options;
    const labels = { customer: this.#customer.name };
    return new Routes(this.#customer, {
      clock,
      sign: keys.sign,
      send: (linkId, record) => {
        this.#sessions.get(linkId)?.flood(record);
        metrics.routingSent.inc(labels);
        metrics.routingSentBytes.inc(labels, record.length);
      },
      sequence,
      onTaken: (result) => {
        metrics.routingRecords.inc({ ...labels, outcome: result.outcome });
        if (result.outcome === 'refused') metrics.routingRefused.inc({ ...labels, reason: result.reason });
      },
    });
  }

  #createLinks(): Links {
    const { site, metrics, clock, log } = this.#options;
    return new Links({
      site,
      customer: this.#customer,
      routes: this.#routes,
      sessions: this.#sessions,
      onFrame: async (frame) => this.#parts?.inbound.takeFrame(frame),
      onNote: (frame) => this.#parts?.inbound.takeNote(frame),
      onUp: (linkId) => this.#carrying.receipts.linkUp(linkId),
      metrics,
      clock,
      log,
    });
  }

  #createInbound(arrivals: Arrivals): Inbound {
    const { keys, metrics, clock, log } = this.#options;
    return new Inbound({
      customerId: this.#customer.id,
      customerName: this.#customer.name,
      terminalId: this.#customer.terminalId,
      arrivals,
      sign: keys.sign,
      signKeyOf: (id) => this.#customer.terminals.find((each) => each.id === id)?.signKey ?? undefined,
      snapshotVersion: () => this.#snapshot.version,
      nameOf: (id) => this.#siteOf(id),
      transit: () => this.#carrying.transit,
      receipts: this.#carrying.receipts,
      notes: this.#carrying.notes,
      paths: this.#carrying.paths,
      clock,
      onRelease: ({ destinationId, terminalId }) => this.#watch.released(destinationId, terminalId),
      onReceipt: (flow, receipt) => {
        this.#topics.get(flow.topicId)?.receive(flow, receipt);
        this.#parts?.groups.receive(flow, receipt);
      },
      metrics,
      log,
    });
  }

  /** How long what waits for the first link to a terminal will take, milliseconds. */
  #queueMs(terminalId: string): number {
    const session = this.#sessions.get(this.#routes.nextHop(terminalId)?.linkId ?? '');
    const rate = session?.rateBytesPerSecond ?? 0;
    return rate === 0 ? 0 : ((session?.backlogBytes ?? 0) / rate) * 1000;
  }

  async #configureTopics(): Promise<void> {
    for (const [topicId, runtime] of this.#topics) {
      if (this.#customer.topics.some((topic) => topic.id === topicId)) continue;
      runtime.stop();
      this.#topics.delete(topicId);
    }
    const parts = this.#parts;
    if (parts === undefined) return;
    await this.#attempt('left-over streams', () => this.#tidyStreams(parts));
    for (const topic of this.#customer.topics) {
      await this.#attempt(`topic ${topic.name}`, () => parts.groups.exclusively(() => this.#configureTopic(topic)));
    }
  }

  async #configureTopic(topic: SnapshotTopic): Promise<void> {
    const parts = this.#parts;
    if (parts === undefined) return;
    let runtime = this.#topics.get(topic.id);
    if (runtime === undefined) {
      runtime = this.#createTopic(topic, parts);
      this.#topics.set(topic.id, runtime);
    }
    await runtime.reconcile(topic, this.#customer, this.#snapshot.site.maxPayload);
  }

  #createTopic(topic: SnapshotTopic, { nc, jsm, sealer }: Parts): TopicRuntime {
    const { clock, log } = this.#options;
    return new TopicRuntime(topic, {
      nc,
      jsm,
      terminalId: this.#customer.terminalId,
      routes: this.#routes,
      clock,
      log: log.child({ topic: topic.name }),
      createShipper: (flow, currentTopic) => this.#createShipper(sealer, flow, currentTopic),
    });
  }

  #createShipper(sealer: Sealer, flow: Flow, topic: () => SnapshotTopic): Shipper {
    const { clock, keys, metrics } = this.#options;
    return createOutbound({
      flow,
      customerId: this.#customer.id,
      topic,
      snapshotVersion: () => this.#snapshot.version,
      sealer,
      sign: keys.sign,
      routes: this.#routes,
      watch: this.#watch,
      sessions: this.#sessions,
      clock,
      compressOf: (linkId) => this.#customer.links.find((link) => link.id === linkId)?.compress ?? 'auto',
      park: (run, why) => this.#park(flow, run, why),
      metrics,
    });
  }

  async #park(flow: Flow, run: Shipment, why: ParkReason): Promise<void> {
    if (this.#parts === undefined) throw new BusError('E_NATS', 'the terminal is not connected');
    await this.#parts.letters.park(flow, run, why);
  }

  #createLetters(nc: NatsConnection, jsm: JetStreamManager, keeper: GroupKeeper): Letters {
    const { markerKey: macKey, metrics, clock, log } = this.#options;
    return new Letters(this.#customer, { nc, jsm, macKey, keeper, topics: this.#topics, metrics, clock, log });
  }

  #createKeeper(nc: NatsConnection, jsm: JetStreamManager, sealer: Sealer): GroupKeeper {
    const { metrics, clock, log } = this.#options;
    return new GroupKeeper(this.#customer, {
      nc,
      jsm,
      routes: this.#routes,
      createShipper: (flow, topic) => this.#createShipper(sealer, flow, topic),
      onMoved: ({ topic, group }, messages) =>
        metrics.messagesMoved.inc({ topic: topic.name, group: group.name }, messages),
      onLoad: ({ topic, group }, consumers) =>
        metrics.groupConsumers.set({ customer: this.#customer.name, topic: topic.name, group: group.name }, consumers),
      clock,
      log,
    });
  }

  #heldGroups(): HeldGroup[] {
    return [...this.#topics.values()].flatMap(({ topic, groupStreams }) =>
      topic.groups.flatMap((group) => {
        const stream = groupStreams.get(group.id);
        return stream === undefined ? [] : [{ topic, group, stream }];
      }),
    );
  }

  /** What a removed topic or group left; a stream that must stay is told of and no hindrance. */
  async #tidyStreams({ jsm }: Parts): Promise<void> {
    this.#leftOvers = await removeLeftOvers(jsm, this.#customer, this.#options.log);
  }

  #arrivalConfig(): ConstructorParameters<typeof Arrivals>[1] {
    const streams = new Map([...this.#topics.values()].flatMap((topic) => [...topic.groupStreams]));
    return { customer: this.#customer, snapshotVersion: this.#snapshot.version, streams };
  }

  readonly #countStored = (_topicId: string, groupId: string, messages: number): void => {
    this.#drops.noteMarker(groupId);
    this.#options.metrics.messagesStored.inc(this.#groupLabels(groupId), messages);
  };

  #createLosses(): Losses {
    const { metrics, log } = this.#options;
    return new Losses({
      groupName: (groupId) => {
        const { topic, group } = this.#groupLabels(groupId);
        return `${topic}@${group}`;
      },
      siteOf: (id) => this.#siteOf(id),
      count: (groupId, sequences) => metrics.messagesLost.inc(this.#groupLabels(groupId), sequences),
      log,
    });
  }

  get #isForgotten(): boolean {
    return this.#customer.terminals.some(({ id, isForgotten }) => id === this.#customer.terminalId && isForgotten);
  }

  #shunnedTexts(): string[] {
    return this.#watch.suspicions.map(({ over, destinationId, count }) => {
      const sites = over.map((id) => this.#siteOf(id)).join(' or ');
      return `${this.#customer.name}: no receipts from ${this.#siteOf(destinationId)} over ${sites}, ${count} times: gone around`;
    });
  }

  #noteShunned(over: readonly string[], terminalId: string): void {
    const { metrics, log } = this.#options;
    const names = over.map((id) => this.#siteOf(id));
    for (const site of names) metrics.waysGivenUp.inc({ customer: this.#customer.name, over: site });
    const fields = { over: names, terminal: this.#siteOf(terminalId) };
    log.warn({ event: 'transit.shunned', ...fields }, 'these give nothing back, or gave up: envelopes go around them');
  }

  #groupLabels(groupId: string): { topic: string; group: string } {
    for (const { name, groups } of this.#customer.topics) {
      const group = groups.find(({ id }) => id === groupId);
      if (group !== undefined) return { topic: name, group: group.name };
    }
    return { topic: '', group: groupId };
  }

  #siteOf(terminalId: string): string {
    return this.#customer.terminals.find(({ id }) => id === terminalId)?.site ?? terminalId;
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#problems.delete(what);
    } catch (error) {
      const code = isBusError(error) ? error.code : 'E_INTERNAL';
      const text = `${this.#customer.name}: ${what}: ${errorText(error)}`;
      if (this.#problems.get(what)?.text !== text) {
        this.#options.log.warn({ event: 'terminal.problem', code, err: error }, text);
      }
      this.#problems.set(what, { code, text });
    }
  }

  #tick(): void {
    this.#routes.tick();
    for (const topic of this.#topics.values()) topic.tick();
  }

  /** Deliveries under way are lost with a connection: every cursor reads again from its floor. */
  async #watchConnection(nc: NatsConnection): Promise<void> {
    for await (const { type } of nc.status()) {
      if (type === 'reconnect') this.#readAgain('the connection to nats-server was made anew');
    }
  }

  #readAgain(reason: string): void {
    this.#parts?.groups.reconnected();
    for (const topic of this.#topics.values()) topic.rewind(reason);
  }
}
