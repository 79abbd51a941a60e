/**
 * The groups served at one terminal: watches their consumers, tells the others how busy they are, and moves a backlog
 * away when it must. One per terminal; a group that cannot be looked at is a matter of that group alone.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { SnapshotCustomer, SnapshotGroup, SnapshotTopic } from '../api/snapshot.ts';
import type { Shipper } from '../capture/index.ts';
import type { Clock } from '../clock.ts';
import { closeGroupStream, deleteStream, type GroupStream } from '../delivery/index.ts';
import type { Flow, Receipt } from '../envelope/index.ts';
import { isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { natsCall } from '../nats/index.ts';
import { inTurns } from '../turns.ts';
import { BacklogMove } from './backlog-move.ts';
import { type Candidate, decideMove } from './decide.ts';
import { LoadMeter, sampleOf } from './load.ts';

/** A group with a stream at this terminal. */
export interface HeldGroup {
  topic: SnapshotTopic;
  group: SnapshotGroup;
  stream: GroupStream;
}

/** What the keeper asks of routing. */
export interface GroupRoutes {
  path(terminalId: string): { cost: number; isWhole: boolean } | null;
  isGone(terminalId: string): boolean;
  loadOf(groupId: string, terminalId: string): { consumers: number; waiting: number; isDraining: boolean } | null;
  /** what this terminal says of its groups; damped and flooded by routing */
  announceLoad(rows: { groupId: string; consumers: number; waiting: number; isDraining: boolean }[]): void;
}

export interface GroupKeeperOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  routes: GroupRoutes;
  createShipper: (flow: Flow, topic: () => SnapshotTopic) => Shipper;
  onMoved: (held: HeldGroup, messages: number) => void;
  onLoad: (held: HeldGroup, consumers: number) => void;
  clock: Clock;
  log: Logger;
}

interface Entry {
  held: HeldGroup;
  meter: LoadMeter;
  move: BacklogMove;
  /** its stream takes no arrivals any more */
  isStreamClosed: boolean;
  /** its messages are being looked at: a move must not begin */
  isHeld: boolean;
}

const sampleMs = 1_000;
/** a stream nobody is configured for stays this long after its last arrival: late repeats find their marker */
const leftOverKeepMs = 10 * 60_000;

export class GroupKeeper {
  readonly #options: GroupKeeperOptions;
  readonly #entries = new Map<string, Entry>();
  #customer: SnapshotCustomer;
  #timer: NodeJS.Timeout | undefined;
  #isSampling = false;
  #connectedAtMs: number;

  constructor(customer: SnapshotCustomer, options: GroupKeeperOptions) {
    this.#customer = customer;
    this.#options = options;
    this.#connectedAtMs = options.clock.monotonicMs();
  }

  start(): void {
    this.#timer = setInterval(() => void this.#sample(), sampleMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const { move } of this.#entries.values()) move.close();
    this.#entries.clear();
  }

  /** Replaces what is held here; a move under way goes on. */
  configure(customer: SnapshotCustomer, groups: readonly HeldGroup[]): void {
    this.#customer = customer;
    const wanted = new Map(groups.map((held) => [held.group.id, held]));
    for (const [groupId, { move }] of this.#entries) {
      if (wanted.has(groupId)) continue;
      move.close();
      this.#entries.delete(groupId);
    }
    for (const [groupId, held] of wanted) {
      const known = this.#entries.get(groupId);
      if (known === undefined) this.#entries.set(groupId, this.#enter(held));
      else known.held = held;
    }
  }

  /** A receipt of a flow of this terminal. */
  receive({ incarnation }: Flow, receipt: Receipt): void {
    const entry = this.#entries.get(receipt.groupId);
    if (entry?.move.incarnation === incarnation) entry.move.receive(receipt);
  }

  /** The connection was made anew: the server may have forgotten its last deliveries. */
  reconnected(): void {
    this.#connectedAtMs = this.#options.clock.monotonicMs();
  }

  /** Why a group's messages here do not go to consumers here, empty when they do. */
  problemOf(groupId: string): string {
    return this.#entries.get(groupId)?.move.reason ?? '';
  }

  /** What a move under way may have brought to the other terminal. */
  awaitedOf(groupId: string): { terminalId: string; messages: number }[] {
    const move = this.#entries.get(groupId)?.move;
    const { targetId = null, sentMessages = 0 } = move ?? {};
    return targetId === null || sentMessages === 0 ? [] : [{ terminalId: targetId, messages: sentMessages }];
  }

  /** Nobody else changes a durable of a group while `work` runs: what moves keep stands there. */
  readonly exclusively = inTurns();

  /** Runs the work unless the group's backlog moves, and lets no move begin meanwhile; false when it moves. */
  async unlessMoving(groupId: string, work: () => Promise<void>): Promise<boolean> {
    const entry = this.#entries.get(groupId);
    if (entry !== undefined && (entry.isHeld || entry.move.isActive)) return false;
    if (entry !== undefined) entry.isHeld = true;
    try {
      await work();
      return true;
    } finally {
      if (entry !== undefined) entry.isHeld = false;
    }
  }

  #enter(held: HeldGroup): Entry {
    const { nc, jsm, createShipper, onMoved, clock, log } = this.#options;
    const { topic, group, stream } = held;
    const { terminalId } = this.#customer;
    const current = (): HeldGroup => this.#entries.get(group.id)?.held ?? held;
    const move = new BacklogMove({
      nc,
      jsm,
      stream: stream.name,
      durable: group.name,
      topic: topic.name,
      groupId: group.id,
      ackWaitMs: () => current().group.ackWaitMs,
      serverSeenMs: () => clock.monotonicMs() - this.#connectedAtMs,
      createShipper: (incarnation) =>
        createShipper({ originId: terminalId, topicId: topic.id, incarnation }, () => current().topic),
      exclusively: (work) => this.exclusively(work),
      isGone: (terminalId) => this.#options.routes.isGone(terminalId),
      onMoved: (messages) => onMoved(current(), messages),
      clock,
      log,
    });
    return { held, meter: new LoadMeter(clock.monotonicMs()), move, isStreamClosed: false, isHeld: false };
  }

  async #sample(): Promise<void> {
    if (this.#isSampling) return;
    this.#isSampling = true;
    await Promise.all([...this.#entries.values()].map((entry) => this.#look(entry)));
    this.#announce();
    this.#isSampling = false;
  }

  /** One look at a group's durable, and what follows from it. */
  async #look(entry: Entry): Promise<void> {
    const { stream, group } = entry.held;
    const hasOpened = entry.move.incarnation !== undefined;
    const isAlone = group.terminals.length < 2 && !this.#isLeftOver(entry);
    if (entry.isHeld || (hasOpened && isAlone && !entry.move.isActive)) return;
    try {
      const info = await natsCall(`consumer of ${stream.name}`, () =>
        this.#options.jsm.consumers.info(stream.name, group.name),
      );
      if (entry.isHeld) return;
      entry.meter.take(sampleOf(info), this.#options.clock.monotonicMs());
      this.#options.onLoad(entry.held, entry.meter.consumers);
      entry.move.open(info);
      entry.move.want(this.#wishOf(entry));
      if (this.#isLeftOver(entry)) await this.#tidy(entry);
    } catch (error) {
      if (!isBusError(error)) throw error;
      this.#options.log.debug({ event: 'group.unseen', stream: stream.name, err: error }, 'a group was not looked at');
    }
  }

  #wishOf(entry: Entry): string | null {
    const { group } = entry.held;
    const wish = decideMove({
      isLeftOver: this.#isLeftOver(entry),
      isDraining: this.#isDraining(this.#customer.terminalId),
      backlog: entry.meter.backlog,
      idleMs: entry.meter.idleMs(this.#options.clock.monotonicMs()),
      failoverAfterMs: group.failoverAfterMs,
      policy: group.policy,
      targetId: entry.move.targetId,
      others: this.#others(group),
    });
    return wish?.targetId ?? null;
  }

  #others(group: SnapshotGroup): Candidate[] {
    const { routes } = this.#options;
    return group.terminals
      .filter((id) => id !== this.#customer.terminalId)
      .map((terminalId) => {
        const path = routes.path(terminalId);
        const load = routes.loadOf(group.id, terminalId);
        return {
          terminalId,
          isReachable: path?.isWhole === true,
          isDraining: this.#isDraining(terminalId) || load?.isDraining === true,
          consumers: load?.consumers ?? 0,
          waiting: load?.waiting ?? 0,
          cost: path?.cost ?? Number.POSITIVE_INFINITY,
        };
      });
  }

  /** What the others need to know: groups that are served elsewhere too. */
  #announce(): void {
    const isDraining = this.#isDraining(this.#customer.terminalId);
    const rows = [...this.#entries.values()]
      .filter((entry) => entry.held.group.terminals.length > 1 && !this.#isLeftOver(entry))
      .map(({ held, meter }) => ({
        groupId: held.group.id,
        consumers: meter.consumers,
        waiting: meter.waiting,
        isDraining,
      }));
    this.#options.routes.announceLoad(rows);
  }

  /** Removes the stream of a group that is not served here any more: empty, closed to arrivals, long without any. */
  async #tidy(entry: Entry): Promise<void> {
    const { jsm, clock, log } = this.#options;
    const { name } = entry.held.stream;
    if (entry.meter.backlog > 0 || entry.move.isSending) return;
    const info = await natsCall(`stream ${name}`, () => jsm.streams.info(name));
    const quietMs = clock.wallMs() - Date.parse(info.state.last_ts);
    if (info.state.messages > 0 && quietMs < leftOverKeepMs) return;
    if (!entry.isStreamClosed) {
      await closeGroupStream(jsm, name);
      entry.isStreamClosed = true;
      return;
    }
    await deleteStream(jsm, name);
    entry.move.close();
    this.#entries.delete(entry.held.group.id);
    log.info({ event: 'group.stream-removed', stream: name }, 'the stream of a group that left was removed');
  }

  #isLeftOver({ held }: Entry): boolean {
    return !held.group.terminals.includes(this.#customer.terminalId);
  }

  /** One that was given up is emptied too, should it come back. */
  #isDraining(terminalId: string): boolean {
    const terminal = this.#customer.terminals.find(({ id }) => id === terminalId);
    return terminal?.isDraining === true || terminal?.isForgotten === true;
  }
}
