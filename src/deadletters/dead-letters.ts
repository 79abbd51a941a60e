/**
 * The dead letters of one terminal: messages that consumers here were given as often as their group allows, and messages
 * published here that cannot travel to a group. Watches, keeps, lists; retries and purges when an operator asks.
 *
 * A retried message goes back into its group's stream here, once: see Relocation. Whatever cannot be stored stays where
 * it is and is tried again, so a full dead-letter stream holds messages back and drops none.
 */
import { createHash } from 'node:crypto';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { SnapshotCustomer } from '../api/snapshot.ts';
import type { Clock } from '../clock.ts';
import { type ArrivalPlace, FlowWriter, StreamHold } from '../delivery/index.ts';
import { type BusMessage, type Flow, flowKey } from '../envelope/index.ts';
import { BusError, errorText, isBusError } from '../errors.ts';
import { deleteBacklog } from '../groups/index.ts';
import type { Logger } from '../log.ts';
import { directGet, natsCall, type StoredMessage } from '../nats/index.ts';
import { type DeadGroup, type DeadStream, ensureDeadStream, findDeadStream } from './dead-stream.ts';
import { DeliveryLimit, type LimitedGroup } from './delivery-limit.ts';
import { type DeathReason, dressLetter, type LetterRow, letterRow, wayLines } from './letter.ts';
import { Relocation } from './relocation.ts';

export interface DeadLettersOptions {
  nc: NatsConnection;
  jsm: JetStreamManager;
  macKey: Uint8Array;
  /** runs the work unless the group's backlog moves, and keeps a move from beginning meanwhile; false when it moves */
  unlessMoving: (groupId: string, work: () => Promise<void>) => Promise<boolean>;
  onDead: (group: DeadGroup, reason: DeathReason, messages: number) => void;
  /** messages went back into a group's stream, up to that sequence */
  onReturned: (stream: string, seq: number) => void;
  clock: Clock;
  log: Logger;
}

/** A run of capture sequences, and those of its messages that found their end. */
export interface DeadRun {
  flow: Flow;
  first: number;
  last: number;
  /** no sequence up to here comes again */
  floor: number;
  messages: readonly BusMessage[];
  reason: DeathReason;
}

/** Which of a group's dead letters: all, or these sequences of its dead-letter stream. */
export type Selection = 'all' | readonly number[];

export interface Tally {
  messages: number;
  bytes: number;
  maxBytes: number;
}

const lookMs = 2_000;
const advisories = '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.*.*';
const advisoryType = 'io.nats.jetstream.advisory.v1.max_deliver';
const pageMessages = 500;
const pageBytes = 8 * 1024 * 1024;

export class DeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #limits = new Map<string, DeliveryLimit>();
  readonly #writers = new Map<string, FlowWriter>();
  readonly #problems = new Map<string, string>();
  readonly #subscription: { unsubscribe(): void };
  #customer: SnapshotCustomer;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isStopped = false;

  constructor(customer: SnapshotCustomer, options: DeadLettersOptions) {
    this.#customer = customer;
    this.#options = options;
    this.#subscription = options.nc.subscribe(advisories, {
      callback: (error, message) => {
        // a delivery or an answer that an application sent here by its reply subject has a reply subject or another type
        if (error === null && !message.reply && message.headers === undefined) this.#hear(message.string());
      },
    });
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), lookMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    for (const writer of this.#writers.values()) writer.close();
  }

  /** Groups whose consumers read here; those that give messages up are watched. */
  configure(customer: SnapshotCustomer, groups: readonly LimitedGroup[]): void {
    this.#customer = customer;
    const limited = new Map(groups.map((each) => [each.group.id, each]));
    for (const [groupId, { limited: known }] of this.#limits) {
      if (limited.get(groupId)?.incarnation !== known.incarnation) this.#limits.delete(groupId);
    }
    for (const [groupId, each] of limited) {
      const known = this.#limits.get(groupId);
      if (known !== undefined) known.limited = each;
      else this.#limits.set(groupId, this.#createLimit(each));
    }
  }

  /** Why a group's messages that found their end are still where they were; empty when they are not. */
  problemOf(groupId: string): string {
    return this.#problems.get(groupId) ?? '';
  }

  /** Keeps what cannot travel to a group, once however often it is read again. E_STREAM_FULL E_FOREIGN_STREAM E_NATS */
  async put(group: DeadGroup, run: DeadRun): Promise<void> {
    const { first, last, floor, messages } = run;
    const stream = await ensureDeadStream(this.#options.jsm, group);
    await this.#writer(group, stream, run).write({ first, last, floor, since: 0, messages });
  }

  /** How many there are of a group; null when it has no dead-letter stream here. E_NATS */
  async tally(group: DeadGroup): Promise<Tally | null> {
    const stream = await findDeadStream(this.#options.jsm, group);
    if (stream === null) return null;
    const { config, state } = await natsCall(`stream ${stream.name}`, () =>
      this.#options.jsm.streams.info(stream.name, { subjects_filter: `${stream.markerPrefix}*` }),
    );
    const markers = Object.keys(state.subjects ?? {}).length;
    return { messages: state.messages - markers, bytes: state.bytes, maxBytes: config.max_bytes };
  }

  /** Oldest first, behind `after`. E_NATS */
  async list(group: DeadGroup, { after, limit }: { after: number; limit: number }): Promise<LetterRow[]> {
    const stream = await findDeadStream(this.#options.jsm, group);
    if (stream === null) return [];
    const rows: LetterRow[] = [];
    for await (const letters of this.#pages(group, stream, after)) {
      rows.push(...letters.map(letterRow));
      if (rows.length >= limit) break;
    }
    return rows.slice(0, limit);
  }

  /** Deletes for good; resolves with how many. E_NATS */
  async purge(group: DeadGroup, which: Selection): Promise<number> {
    const stream = await findDeadStream(this.#options.jsm, group);
    let purged = 0;
    for await (const letters of this.#selected(group, stream, which)) {
      const seqs = letters.map(({ seq }) => seq);
      await deleteBacklog(this.#options.nc, stream?.name ?? '', seqs);
      purged += seqs.length;
    }
    return purged;
  }

  /** Gives them to the group's consumers here once more; resolves with how many. E_NO_CONSUMERS_HERE E_STREAM_FULL E_NATS */
  async retry(group: DeadGroup, which: Selection, target: ArrivalPlace | undefined): Promise<number> {
    const stream = await findDeadStream(this.#options.jsm, group);
    if (stream === null) return 0;
    if (target === undefined) {
      throw new BusError('E_NO_CONSUMERS_HERE', `${group.topic.name}@${group.group.name} is not served at this site`);
    }
    const { nc, jsm, macKey, onReturned } = this.#options;
    const flow: Flow = {
      originId: this.#customer.terminalId,
      topicId: group.topic.id,
      incarnation: stream.incarnation,
    };
    const onStored = (seq: number): void => onReturned(target.name, seq);
    const relocation = new Relocation({ nc, jsm, macKey, flow, source: stream.name, target, onStored });
    await relocation.settle(always);
    let retried = 0;
    for await (const letters of this.#selected(group, stream, which)) {
      const living = letters.filter((letter) => letter.header('Mb-Subject') === undefined);
      if (living.length === 0) continue;
      const arrivals = living.map((letter) => toArrival(letter, target, this.#customer.terminalId));
      retried += await relocation.move(arrivals, always);
    }
    return retried;
  }

  async *#selected(
    group: DeadGroup,
    stream: DeadStream | null,
    which: Selection,
  ): AsyncGenerator<readonly StoredMessage[]> {
    if (stream === null) return;
    const wanted = which === 'all' ? null : new Set(which);
    for await (const letters of this.#pages(group, stream, 0)) {
      const chosen = wanted === null ? letters : letters.filter(({ seq }) => wanted.has(seq));
      if (chosen.length > 0) yield chosen;
    }
  }

  /** Up to the last that was there when it began. */
  async *#pages(group: DeadGroup, stream: DeadStream, after: number): AsyncGenerator<readonly StoredMessage[]> {
    const { nc, jsm } = this.#options;
    const { state } = await natsCall(`stream ${stream.name}`, () => jsm.streams.info(stream.name));
    for (let seq = after + 1; seq <= state.last_seq; ) {
      const got = await directGet(nc, stream.name, { seq, batch: pageMessages, max_bytes: pageBytes });
      const last = got.at(-1);
      if (last === undefined) return;
      seq = last.seq + 1;
      const letters = got.filter((each) => each.seq <= state.last_seq && isOfTopic(group.topic.name, each.subject));
      if (letters.length > 0) yield letters;
    }
  }

  #writer(group: DeadGroup, stream: DeadStream, { flow, reason }: DeadRun): FlowWriter {
    const { nc, jsm, macKey, onDead } = this.#options;
    const ofReason = reasonFlow(flow, reason);
    const key = `${stream.incarnation} ${flowKey(ofReason)}`;
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      const dress = ({ subject }: BusMessage) => dressLetter(group.topic.name, subject, reason, 0);
      const onStored = (messages: number): void => onDead(group, reason, messages);
      const told = { onStored, onLost: () => undefined };
      const hold = new StreamHold({ nc, jsm, stream });
      writer = new FlowWriter({ nc, jsm, macKey, stream, hold, flow: ofReason, dress, ...told });
      this.#writers.set(key, writer);
    }
    return writer;
  }

  #createLimit(limited: LimitedGroup): DeliveryLimit {
    const { nc, jsm, macKey, clock, log, onDead } = this.#options;
    const dead = (messages: number): void => onDead(limited, 'maxDeliver', messages);
    const { terminalId } = this.#customer;
    return new DeliveryLimit({ nc, jsm, macKey, terminalId, limited, onDead: dead, clock, log });
  }

  #hear(text: string): void {
    const told = parseAdvisory(text);
    const limit = [...this.#limits.values()].find(
      ({ limited }) => limited.stream === told?.stream && limited.group.name === told.consumer,
    );
    if (told === null || limit === undefined) return;
    limit.tell(told.seq);
    void this.#look();
  }

  async #look(): Promise<void> {
    if (this.#isLooking || this.#isStopped) return;
    this.#isLooking = true;
    await Promise.all([...this.#limits.values()].map((limit) => this.#lookAt(limit)));
    this.#isLooking = false;
  }

  async #lookAt(limit: DeliveryLimit): Promise<void> {
    const { group, stream } = limit.limited;
    if (group.maxDeliver < 0) return;
    try {
      await this.#options.unlessMoving(group.id, () => limit.look());
      this.#problems.delete(group.id);
    } catch (error) {
      if (!isBusError(error)) throw error;
      const text = `dead letters: ${errorText(error)}`;
      const level = this.#problems.get(group.id) === text ? 'debug' : 'warn';
      this.#problems.set(group.id, text);
      if (!this.#isStopped) this.#options.log[level]({ event: 'deadletters.waits', stream, err: error }, text);
    }
  }
}

/** What is kept for one reason says nothing of the same sequences kept for another. */
function reasonFlow(flow: Flow, reason: DeathReason): Flow {
  const incarnation = createHash('sha256').update(`${flow.incarnation} ${reason}`).digest('hex').slice(0, 32);
  return { ...flow, incarnation };
}

function always(): boolean {
  return true;
}

function isOfTopic(topic: string, subject: string): boolean {
  return subject === topic || subject.startsWith(`${topic}.`);
}

/** Back into the group stream, as it was before. */
function toArrival(letter: StoredMessage, target: ArrivalPlace, terminalId: string) {
  return {
    seq: letter.seq,
    subject: target.arrivalPrefix + letter.subject,
    headerLines: wayLines(letter, terminalId),
    payload: letter.payload,
  };
}

interface Advisory {
  stream: string;
  consumer: string;
  seq: number;
}

function parseAdvisory(text: string): Advisory | null {
  try {
    const { type, stream, consumer, stream_seq: seq } = JSON.parse(text) as Record<string, unknown>;
    const isOurs = type === advisoryType && typeof stream === 'string' && typeof consumer === 'string';
    return isOurs && Number.isSafeInteger(seq) ? { stream, consumer, seq: seq as number } : null;
  } catch {
    return null;
  }
}
