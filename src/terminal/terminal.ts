/**
 * A customer's presence at this site, at work: links, topics, the way out and the way in. One per customer; customers
 * share nothing but the process.
 *
 * `configure` brings it in line with a snapshot. A topic that cannot be brought in line is a problem of that topic alone:
 * it is reported, tried again, and the others go on.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ControlClient } from '../api/methods.ts';
import type { Snapshot, SnapshotCustomer } from '../api/snapshot.ts';
import type { ParkReason, Shipment } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import { Arrivals } from '../delivery/index.ts';
import type { Flow, PublicKeyLike } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import { GroupKeeper, removeLeftOvers } from '../groups/index.ts';
import type { TerminalKeys } from '../keys/index.ts';
import type { Logger } from '../log.ts';
import { streamManager } from '../nats/index.ts';
import type { Routes, SequenceStore } from '../routing/index.ts';
import { createOpener, createSealer, type Opener, type Sealer, type TicketUsage } from '../sealing/index.ts';
import type { LinkSide, SiteServer } from '../site/index.ts';
import { soon } from '../soon.ts';
import type { LinkSession } from '../transit/index.ts';
import { Carrying } from './carrying.ts';
import { Drops } from './drops.ts';
import { Formats } from './formats.ts';
import { GroupWatch } from './group-watch.ts';
import { Inbound } from './inbound.ts';
import { Letters } from './letters.ts';
import { Links } from './links.ts';
import { Losses } from './losses.ts';
import { Names } from './names.ts';
import { createRoutes } from './own-routes.ts';
import { type Problem, Problems } from './problems.ts';
import { Quarantine } from './quarantine.ts';
import { RouteWatch } from './route-watch.ts';
import { shunnedTexts, tellShunned } from './shunned.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';
import type { TopicRuntime } from './topic-runtime.ts';
import { Topics } from './topics.ts';

export interface TerminalOptions {
  site: Pick<SiteServer, 'connect' | 'links' | 'isLinkUp' | 'redial' | 'storageFailures'>;
  control: Pick<ControlClient, 'call'>;
  keys: TerminalKeys;
  /** 32 bytes, for the MAC of markers */
  markerKey: Uint8Array;
  serviceKey: () => PublicKeyLike;
  /** numbers of routing records, which outlive the process */
  sequence: SequenceStore;
  /** room for what is carried for others, bytes; default 1 GiB */
  transitMaxBytes?: number | undefined;
  /** told when a link comes up, goes down or changes in between */
  onLinkState?: () => void;
  metrics: TerminalMetrics;
  clock: Clock;
  log: Logger;
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
  /** messages of groups that were dropped here because a stream was full */
  readonly drops: Drops;
  readonly formats: Formats;
  readonly #options: TerminalOptions;
  readonly #routes: Routes;
  readonly #watch: RouteWatch;
  readonly #carrying: Carrying;
  readonly #links: Links;
  readonly #sessions = new Map<string, LinkSession>();
  readonly #names = new Names(() => this.#customer);
  readonly #topics: Topics;
  readonly #problems: Problems;
  readonly #quarantine: Quarantine;
  readonly #losses: Losses;
  #leftOvers: string[] = [];
  #customer: SnapshotCustomer;
  #snapshot: Snapshot;
  #parts: Parts | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #queueTick = soon(() => this.#tick());

  constructor(customer: SnapshotCustomer, snapshot: Snapshot, options: TerminalOptions) {
    this.#customer = customer;
    this.#snapshot = snapshot;
    this.#options = options;
    const { site, keys, metrics, clock, log } = options;
    this.#problems = new Problems(customer.name, log);
    this.#quarantine = new Quarantine(metrics, log);
    this.formats = new Formats(() => this.#customer, this.#sessions);
    this.#routes = createRoutes(customer, this.#sessions, this.formats, options);
    const [routes, names] = [this.#routes, this.#names];
    const common = { routes, sessions: this.#sessions, sign: keys.sign, formats: this.formats, metrics, clock, log };
    this.#links = this.#createLinks();
    this.#carrying = new Carrying({ ...common, site, customer, maxBytes: options.transitMaxBytes });
    this.#watch = new RouteWatch({
      routes,
      queueMs: (id) => this.#queueMs(id),
      onOverdue: this.#queueTick,
      onShunned: (over, id) => tellShunned(over, id, { names, customerName: customer.name, metrics, log }),
      clock,
    });
    routes.onChange(this.#queueTick);
    this.#topics = new Topics({
      customer: () => this.#customer,
      snapshot: () => this.#snapshot,
      names,
      watch: this.#watch,
      park: (flow, run, why) => this.#park(flow, run, why),
      ...common,
    });
    const countLost = (id: string, sequences: number): void => metrics.messagesLost.inc(names.group(id), sequences);
    this.#losses = new Losses({ names, count: countLost, log });
    this.drops = new Drops((id, messages) => metrics.messagesDropped.inc(names.group(id), messages));
  }

  get customer(): SnapshotCustomer {
    return this.#customer;
  }

  get topics(): ReadonlyMap<string, TopicRuntime> {
    return this.#topics.all;
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
      ...this.#problems.open,
      ...told('E_LEFT_OVER', this.#leftOvers),
      ...told('E_ROLLED_BACK', [...this.#losses.texts(), ...this.#topics.rolledBack()]),
      ...told('E_SHUNNED', shunnedTexts(this.#customer.name, this.#watch.suspicions, this.#names)),
      ...told('E_QUARANTINED', this.#quarantine.texts(this.#customer.name)),
      ...told(
        'E_TERMINAL_FORGOTTEN',
        this.#isForgotten ? [`${this.#customer.name}: an operator gave this terminal up`] : [],
      ),
    ];
  }

  /** Why a group's messages stay from its consumers here, empty when they do not. */
  groupReason(topicId: string, groupId: string): string {
    const { groups, letters, opener, arrivals } = this.#parts ?? {};
    const fed = this.#topics.all.get(topicId);
    const reasons = [groups, letters, arrivals, fed].map((part) => part?.problemOf(groupId));
    return [...reasons, opener?.waitingReason(topicId)].filter(Boolean).join('; ');
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
    return this.#topics.all.get(topicId)?.isReady ?? false;
  }

  /** Opens the customer's account and starts. E_SERVER_AWAY E_NATS */
  async start(): Promise<void> {
    const { site, control, keys, markerKey, serviceKey, clock, log } = this.#options;
    const { id: customerId, terminalId, name } = this.#customer;
    const nc = await site.connect({ customer: customerId }, { name: `sidecar ${name}` });
    const jsm = await streamManager(nc);
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
        storageFailures: () => site.storageFailures,
        onQuarantined: (topic, reason) => this.#quarantine.note(topic, reason),
      },
      this.#arrivalConfig(),
    );
    const groups = this.#createKeeper(nc, jsm, sealer);
    const letters = this.#createLetters({ nc, jsm, arrivals, groups });
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
    this.groupWatch.keep(new Set(customer.topics.flatMap(({ groups }) => groups.map(({ id }) => id))));
    await this.#problems.attempt('transit', () => this.#carrying.configure(customer));
    await this.#links.configure((what, work) => this.#problems.attempt(what, work));
    await this.#configureTopics();
    await this.#problems.attempt('quarantine', async () => this.#parts && this.#quarantine.count(this.#parts.jsm));
    this.#parts?.arrivals.configure(this.#arrivalConfig());
    this.#parts?.groups.configure(customer, this.#topics.heldGroups());
    await this.#problems.attempt('dead letters', async () => this.#parts?.letters.configure(customer));
    this.#tick();
  }

  /** What nats-server says of a leaf connection; a closed one is down at once. */
  connectionChanged(linkId: string, isUp: boolean): void {
    this.#sessions.get(linkId)?.connectionChanged(isUp);
  }

  /** nats-server was restarted because it stored nothing any more. */
  storageRestarted(): void {
    this.#readAgain('nats-server was restarted');
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#parts?.letters.stop();
    this.#parts?.arrivals.stop();
    this.#parts?.groups.stop();
    this.#topics.stop();
    await this.#links.stop();
    this.#watch.stop();
    await this.#carrying.stop();
    this.#parts?.sealer.stop();
    this.#parts?.opener.stop();
    await this.#parts?.nc.close();
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
      onState: () => this.#options.onLinkState?.(),
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
      format: () => this.formats.agreed,
      signKeyOf: (id) => this.#customer.terminals.find((each) => each.id === id)?.signKey ?? undefined,
      snapshotVersion: () => this.#snapshot.version,
      nameOf: (id) => this.#names.site(id),
      transit: () => this.#carrying.transit,
      receipts: this.#carrying.receipts,
      notes: this.#carrying.notes,
      paths: this.#carrying.paths,
      clock,
      onRelease: ({ destinationId, terminalId }) => this.#watch.released(destinationId, terminalId),
      onReceipt: (flow, receipt) => {
        this.#topics.all.get(flow.topicId)?.receive(flow, receipt);
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
    this.#topics.dropRemoved();
    const parts = this.#parts;
    if (parts === undefined) return;
    await this.#problems.attempt('left-over streams', () => this.#tidyStreams(parts));
    for (const topic of this.#customer.topics) {
      await this.#problems.attempt(`topic ${topic.name}`, () =>
        parts.groups.exclusively(() => this.#topics.configure(topic, parts)),
      );
    }
  }

  async #park(flow: Flow, run: Shipment, why: ParkReason): Promise<void> {
    if (this.#parts === undefined) throw new BusError('E_NATS', 'the terminal is not connected');
    await this.#parts.letters.park(flow, run, why);
  }

  #createLetters({ groups: keeper, ...parts }: Pick<Parts, 'nc' | 'jsm' | 'arrivals' | 'groups'>): Letters {
    const { markerKey: macKey, metrics, clock, log } = this.#options;
    return new Letters(this.#customer, { ...parts, macKey, keeper, topics: this.#topics.all, metrics, clock, log });
  }

  #createKeeper(nc: NatsConnection, jsm: JetStreamManager, sealer: Sealer): GroupKeeper {
    const { metrics, clock, log } = this.#options;
    return new GroupKeeper(this.#customer, {
      nc,
      jsm,
      routes: this.#routes,
      createShipper: (flow, topic) => this.#topics.createShipper(sealer, flow, topic),
      onMoved: ({ topic, group }, messages) =>
        metrics.messagesMoved.inc({ topic: topic.name, group: group.name }, messages),
      onLoad: ({ topic, group }, consumers) =>
        metrics.groupConsumers.set({ customer: this.#customer.name, topic: topic.name, group: group.name }, consumers),
      clock,
      log,
    });
  }

  /** What a removed topic or group left; a stream that must stay is told of and no hindrance. */
  async #tidyStreams({ jsm }: Parts): Promise<void> {
    this.#leftOvers = await removeLeftOvers(jsm, this.#customer, this.#options.log);
  }

  #arrivalConfig(): ConstructorParameters<typeof Arrivals>[1] {
    const streams = this.#topics.streams();
    return { customer: this.#customer, snapshotVersion: this.#snapshot.version, streams };
  }

  readonly #countStored = (_topicId: string, groupId: string, messages: number): void => {
    this.drops.noteMarker(groupId);
    this.#options.metrics.messagesStored.inc(this.#names.group(groupId), messages);
  };

  get #isForgotten(): boolean {
    return this.#customer.terminals.some(({ id, isForgotten }) => id === this.#customer.terminalId && isForgotten);
  }

  #tick(): void {
    this.#options.metrics.envelopeFormat.set({ customer: this.#customer.name }, this.formats.agreed);
    this.#routes.tick();
    this.#topics.tick();
  }

  /** Deliveries under way are lost with a connection: every cursor reads again from its floor. */
  async #watchConnection(nc: NatsConnection): Promise<void> {
    for await (const { type } of nc.status()) {
      if (type === 'reconnect') this.#readAgain('the connection to nats-server was made anew');
    }
  }

  #readAgain(reason: string): void {
    this.#parts?.groups.reconnected();
    this.#parts?.arrivals.reconnected();
    this.#topics.rewind(reason);
  }
}
