/**
 * One topic at one terminal: its capture stream, the group streams of groups that live here, and the cursors of those
 * that live elsewhere. `reconcile` brings all of it in line with the configuration and may be run again at any time.
 *
 * Every hand-over between "fed here" and "sent there" creates the new interest before it ends the old one, and at a
 * sequence that both sides know, so a crash between two lines neither loses nor doubles.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { SnapshotCustomer, SnapshotGroup, SnapshotTopic } from '../api/snapshot.ts';
import {
  type CaptureStream,
  CursorSet,
  deleteFeed,
  ensureCaptureStream,
  ensureFeed,
  type Feed,
  findCaptureStream,
  type GroupProgress,
  listFeeds,
  pauseFeed,
  Reach,
  renewIncarnation,
  type Shipper,
} from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import {
  type Arrival,
  type Arrivals,
  detachFeed,
  ensureGroupConsumer,
  ensureGroupStream,
  FeedKeeper,
  type FeedSource,
  findGroupStream,
  type GroupStream,
} from '../delivery/index.ts';
import type { Flow, Receipt } from '../envelope/index.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { isClustered } from '../nats/index.ts';
import type { Routes } from '../routing/index.ts';
import { inTurns } from '../turns.ts';
import type { Names } from './names.ts';

export interface TopicRuntimeOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  arrivals: Pick<Arrivals, 'saw' | 'restore'>;
  terminalId: string;
  routes: Routes;
  names: Pick<Names, 'site'>;
  createShipper: (flow: Flow, topic: () => SnapshotTopic) => Shipper;
  clock: Clock;
  log: Logger;
}

export class TopicRuntime {
  readonly #options: TopicRuntimeOptions;
  #topic: SnapshotTopic;
  #capture: CaptureStream | null = null;
  #cursors: CursorSet | undefined;
  /** none where three servers keep the stream: one that leads anew is behind for a moment, and one old disk decides nothing */
  #reach: Reach | undefined;
  /** groups that live here */
  #local: SnapshotGroup[] = [];
  /** found, and the stream does not go on as another one yet */
  #isRolledBack = false;
  #rolledBackText = '';
  #isBeginning = false;
  #hasBegunAnew = false;
  #isStopped = false;
  readonly #inTurn = inTurns();
  #streams = new Map<string, GroupStream>();
  /** by group id, of groups that are fed here */
  #keepers = new Map<string, FeedKeeper>();
  #isReady = false;

  constructor(topic: SnapshotTopic, options: TopicRuntimeOptions) {
    this.#topic = topic;
    this.#options = options;
  }

  get topic(): SnapshotTopic {
    return this.#topic;
  }

  /** Streams, durables and cursors exist: publishing may be granted. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get capture(): CaptureStream | null {
    return this.#capture;
  }

  get captureName(): string | null {
    return this.#capture?.name ?? null;
  }

  /** That its disk was put back to an older copy, for people; empty when it never was. */
  get rolledBack(): string {
    return this.#rolledBackText || (this.#capture?.rolledBack ?? '');
  }

  /** Group streams at this terminal, by group id; those of groups that were served here and still hold messages too. */
  get groupStreams(): ReadonlyMap<string, GroupStream> {
    return this.#streams;
  }

  progress(groupId: string): GroupProgress | null {
    return this.#cursors?.progress(groupId) ?? null;
  }

  reconcile(topic: SnapshotTopic, customer: SnapshotCustomer, maxMessageBytes: number): Promise<void> {
    return this.#inTurn(() => this.#bringInLine(topic, customer, maxMessageBytes));
  }

  receive(flow: Flow, receipt: Receipt): void {
    if (flow.incarnation !== this.#capture?.incarnation || this.#isRolledBack) return;
    const { groupId, terminalId, status, received, reason } = receipt;
    if (status === 'gone') this.#cursors?.gone(groupId, terminalId, reason);
    if (status !== 'stored') return;
    this.#reach?.extend(this.#cursors?.readUpTo ?? 0);
    // once in a life: a destination that tells tales does not make everything be sent again and again
    if (this.#hasBegunAnew || this.#reach?.isExceededBy(received) !== true) {
      this.#cursors?.receive(groupId, terminalId, received);
    } else {
      const end = this.#reach.end;
      const site = this.#options.names.site(terminalId);
      this.#foundRolledBack(`${site} had stored up to ${received.last} when no more than ${end} had been sent from it`);
    }
  }

  /** Why what is fed to a group here stays in the capture stream, for people; empty when it does not. */
  problemOf(groupId: string): string {
    return this.#keepers.get(groupId)?.problem ?? '';
  }

  tick(): void {
    if (this.#isRolledBack) this.#queueAnew();
    else this.#cursors?.tick();
  }

  /** Reads again after nats-server was away: it may have come back with another disk. */
  rewind(reason: string): void {
    for (const keeper of this.#keepers.values()) keeper.reconnected();
    this.#inTurn(() => this.#compareDisk())
      .catch((error) => this.#options.log.debug({ event: 'capture.not-compared', err: error }, 'asked again later'))
      .finally(() => this.#cursors?.rewind(reason));
  }

  stop(): void {
    this.#isStopped = true;
    this.#cursors?.close();
    this.#cursors = undefined;
    for (const keeper of this.#keepers.values()) keeper.stop();
    this.#keepers.clear();
  }

  async #bringInLine(topic: SnapshotTopic, customer: SnapshotCustomer, maxMessageBytes: number): Promise<void> {
    this.#topic = topic;
    const { jsm } = this.#options;
    const isPublished = customer.apps.some((app) => app.publish.includes(topic.name));
    const hasStream = isPublished || (await findCaptureStream(jsm, topic)) !== null;
    this.#capture = hasStream ? await ensureCaptureStream(jsm, topic, { maxMessageBytes }) : null;
    this.#local = topic.groups.filter((group) => group.terminals.includes(customer.terminalId));
    if (topic.scope === 'lan') await this.#reconcileLan(this.#local);
    else await this.#reconcileBus(this.#local);
    this.#isReady = true;
  }

  async #compareDisk(): Promise<void> {
    if (this.#reach === undefined) return;
    const info = await findCaptureStream(this.#options.jsm, this.#topic);
    const sent = this.#cursors?.readUpTo ?? 0;
    if (info === null || this.#isRolledBack || info.state.last_seq >= sent) return;
    this.#foundRolledBack(`it ends at ${info.state.last_seq}, and up to ${sent} had been sent from it`);
  }

  /**
   * The disk is a copy from before: what is published now bears sequences that were sent for other messages and count as
   * received. Until it goes on as another stream, receipts mean nothing.
   */
  #foundRolledBack(how: string): void {
    const { log } = this.#options;
    const { name } = this.#topic;
    this.#isRolledBack = true;
    this.#rolledBackText = `the capture stream of ${name} was put back to an older copy: ${how}`;
    log.error({ event: 'capture.rolled-back', stream: name, how }, 'the disk is older than what was sent from it');
    this.#queueAnew();
  }

  #queueAnew(): void {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    this.#inTurn(() => this.#beginAnew())
      .catch((error) => {
        this.#options.log.warn({ event: 'capture.not-anew', err: error }, 'the stream goes on as another one later');
      })
      .finally(() => {
        this.#isBeginning = false;
      });
  }

  /** Another incarnation: destinations take what comes as new. A crash before it is stored finds out the same again. */
  async #beginAnew(): Promise<void> {
    if (this.#capture === null || !this.#isRolledBack || this.#isStopped) return;
    await this.#cursors?.disown();
    this.#capture = await renewIncarnation(this.#options.jsm, this.#capture, this.#rolledBackText);
    this.#cursors = undefined;
    this.#isRolledBack = false;
    this.#hasBegunAnew = true;
    await this.#reconcileBus(this.#local);
  }

  async #reconcileLan(local: SnapshotGroup[]): Promise<void> {
    if (this.#capture === null) return;
    for (const group of local) await ensureGroupConsumer(this.#options.jsm, this.#capture.name, this.#topic, group);
  }

  async #reconcileBus(local: SnapshotGroup[]): Promise<void> {
    const cursors = await this.#openCursors();
    const streams = new Map<string, GroupStream>();
    for (const group of local) {
      const feed = await this.#feedOf(group, cursors);
      const stream = await ensureGroupStream(this.#options.jsm, this.#topic, group, feed);
      streams.set(group.id, stream);
      if (feed !== null) this.#keep(group, stream, feed);
    }
    const remote = this.#topic.groups.filter((group) => !local.includes(group));
    for (const group of remote) {
      const left = await findGroupStream(this.#options.jsm, this.#topic, group);
      if (left !== null) streams.set(group.id, left);
    }
    this.#streams = streams;
    const starts = await this.#handOver(remote);
    const isGroup = (groupId: string): boolean => this.#topic.groups.some(({ id }) => id === groupId);
    const wanted = remote.map(({ id }) => ({ groupId: id, from: starts.get(id) ?? null }));
    await cursors?.reconcile(wanted, isGroup);
    await this.#dropFeeds(local);
    this.#stopKeepersBut(local);
    cursors?.start();
  }

  #stopKeepersBut(local: SnapshotGroup[]): void {
    for (const [groupId, keeper] of this.#keepers) {
      if (local.some(({ id }) => id === groupId)) continue;
      keeper.stop();
      this.#keepers.delete(groupId);
    }
  }

  #keep({ onFull }: SnapshotGroup, stream: GroupStream, feed: FeedSource): void {
    const { groupId, name, keeperSubject: deliverSubject } = stream;
    const keeper = this.#keepers.get(groupId);
    if (keeper?.deliverSubject === deliverSubject) return;
    keeper?.stop();
    const place = {
      ...{ stream: name, deliverSubject, feed },
      onSeen: (seq: number) => this.#options.arrivals.saw(name, seq),
      ...(onFull === 'refuse' && { restore: (passedOver: Arrival) => this.#restore(stream, passedOver) }),
    };
    this.#keepers.set(groupId, new FeedKeeper(this.#options, place));
  }

  /** What nats-server passed over arrives as from another site. */
  async #restore(stream: GroupStream, passedOver: Arrival): Promise<void> {
    const { terminalId, arrivals, log } = this.#options;
    const { first, last, messages } = passedOver;
    const incarnation = this.#capture?.incarnation;
    if (incarnation === undefined) throw new BusError('E_NOT_YET', 'the capture stream is not ready');
    const what = { stream: stream.name, first, last, messages: messages.length };
    log.warn({ event: 'feed.passed-over', ...what }, 'nats-server passed messages over: the sidecar stores them');
    await arrivals.restore(stream, { originId: terminalId, topicId: this.#topic.id, incarnation }, passedOver);
  }

  async #openCursors(): Promise<CursorSet | undefined> {
    const stream = this.#capture;
    if (stream === null || this.#cursors !== undefined) return this.#cursors;
    const { nc, jsm, terminalId, routes, createShipper, clock, log } = this.#options;
    const flow: Flow = { originId: terminalId, topicId: this.#topic.id, incarnation: stream.incarnation };
    const shipper = createShipper(flow, () => this.#topic);
    const choose = (groupId: string, current: string | null): string | null => {
      const group = this.#topic.groups.find((each) => each.id === groupId);
      return group === undefined ? null : routes.choose(group, current);
    };
    const largestMessageBytes = (): number => this.#capture?.info.config.max_msg_size ?? 0;
    const isLost = (groupId: string, id: string): boolean => {
      if (routes.isGone(id)) return true;
      const group = this.#topic.groups.find((each) => each.id === groupId);
      if (group?.onTerminalLoss !== 'reassign') return false;
      return (routes.lostForMs(id) ?? 0) >= group.reassignAfterMs;
    };
    this.#reach = isClustered(nc) ? undefined : new Reach(stream.info.state.last_seq);
    const cursors = new CursorSet({ nc, jsm, stream, shipper, largestMessageBytes, choose, isLost, clock, log });
    await cursors.open();
    this.#cursors = cursors;
    return cursors;
  }

  /** The feed of a group that lives here; where cursors served it until now, it begins behind what they may have sent. */
  async #feedOf(group: SnapshotGroup, cursors: CursorSet | undefined): Promise<FeedSource | null> {
    const stream = this.#capture;
    if (stream === null) return null;
    const begin = (from: number | null): Promise<Feed> => ensureFeed(this.#options.jsm, stream.name, group, from);
    const handedOver = await cursors?.retire(group.id, begin);
    const { durable, deliverSubject } = handedOver ?? (await begin(null));
    return { stream: stream.name, durable, deliverSubject };
  }

  /** Groups that were fed here and live elsewhere now: their cursors begin where the paused feed stopped. */
  async #handOver(remote: SnapshotGroup[]): Promise<Map<string, number>> {
    const starts = new Map<string, number>();
    const stream = this.#capture;
    if (stream === null) return starts;
    const feeds = await listFeeds(this.#options.jsm, stream.name);
    for (const group of remote) {
      if (feeds.some((feed) => feed.groupId === group.id)) {
        starts.set(group.id, (await pauseFeed(this.#options.jsm, stream.name, group)) + 1);
      }
    }
    return starts;
  }

  async #dropFeeds(local: SnapshotGroup[]): Promise<void> {
    const stream = this.#capture;
    if (stream === null) return;
    const { jsm } = this.#options;
    for (const feed of await listFeeds(jsm, stream.name)) {
      if (local.some((group) => group.id === feed.groupId)) continue;
      await detachFeed(jsm, feed);
      await deleteFeed(jsm, stream.name, feed.durable);
    }
  }
}
