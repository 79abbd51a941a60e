/**
 * What the ledgers say together, group by group. Classes after Jepsen's:
 *
 *   acknowledged   PubAck                      must come out of every group of its topic once
 *   unknown        no answer                   may come out once; out of one group, it must come out of all
 *   refused        JetStream said no           must not come out: `unexpected` when it does
 *   lost           owed and not delivered      duplicated   delivered from a second copy (below)
 *   changed        other bytes or subject      leaked       came out at another customer or topic
 *
 * A delivery names its copy by the place where it was stored. The same copy twice is JetStream's redelivery of what was not
 * acknowledged, and no fault of the bus. A second copy is a duplicate, except for a group with several terminals
 * when no delivery of the first was confirmed: its backlog may have moved. There the ledger errs towards "redelivered". A
 * confirmation that nats-server gave with a full disk does not count: it confirms what it cannot write. Nor does one that may
 * have come after the ack wait: it gives that too, and by then the message may be on its way to others.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eachRecord } from './records.ts';
import { ackWaitMs, type ConsumerJob, type PublisherJob } from './topology.ts';

export type AnomalyKind = 'lost' | 'duplicated' | 'changed' | 'unexpected' | 'leaked';

export interface Delivery {
  atMs: number;
  site: string;
  place: string;
  isConfirmed: boolean;
}

export interface Anomaly {
  kind: AnomalyKind;
  /** `customer/topic@group` */
  group: string;
  id: string;
  /** in the capture stream of its origin, null when no PubAck told it */
  sequence: number | null;
  publishedMs: number | null;
  outcome: Outcome | null;
  deliveries: Delivery[];
}

export interface GroupTally {
  owed: number;
  delivered: number;
  lost: number;
  duplicated: number;
  changed: number;
  unexpected: number;
  leaked: number;
  /** unknown publishes that came out */
  unknownDelivered: number;
  /** deliveries of a copy that had been delivered before and not confirmed */
  redelivered: number;
  /** the same copy again although nats-server had confirmed its acknowledgement */
  afterConfirmation: number;
  /** a second copy at a group with several terminals, nothing of the first confirmed */
  moved: number;
  /** first deliveries out of the order of publishing, per publisher */
  reordered: number;
}

export interface Verdict {
  published: number;
  acknowledged: number;
  unknown: number;
  refused: number;
  groups: Record<string, GroupTally>;
  anomalies: Anomaly[];
  /** anomalies beyond the ones that are listed */
  more: number;
}

type Outcome = 'acknowledged' | 'unknown' | 'refused';

interface Message {
  publishedMs: number;
  digest: string;
  outcome: Outcome;
  sequence: number | null;
}

const listed = 200;
const fatal: readonly AnomalyKind[] = ['lost', 'duplicated', 'changed', 'unexpected', 'leaked'];

export function isClean({ groups }: Verdict): boolean {
  return Object.values(groups).every((tally) => fatal.every((kind) => tally[kind] === 0));
}

/** A time in which a site's disk was full. */
export interface FullDisk {
  site: string;
  fromMs: number;
  untilMs: number;
}

/** A group that was added while publishers were at work. */
export interface LateGroup {
  consumers: readonly ConsumerJob[];
  /** by publishing site: from when on it owes the group its messages; never where there is none */
  since: ReadonlyMap<string, number>;
}

export interface JudgeOptions {
  /** with the ledgers */
  dir: string;
  fullDisks: readonly FullDisk[];
  publishers: readonly PublisherJob[];
  consumers: readonly ConsumerJob[];
  late?: readonly LateGroup[];
}

export async function judge({ dir, publishers, late = [], fullDisks, ...first }: JudgeOptions): Promise<Verdict> {
  const books = new Map<string, Message[]>();
  for (const { name } of publishers) books.set(name, await readPublished(join(dir, `published.${name}`)));
  const consumers = [...first.consumers, ...late.flatMap((group) => group.consumers)];
  const groups = new Map(consumers.map((job) => [nameOf(job), job]));
  const since = new Map(late.map((group) => [nameOf(group.consumers[0]!), group.since]));
  const read = new Map<string, GroupBook>();
  for (const [name, job] of groups) read.set(name, await readGroup({ dir, name, job, consumers, fullDisks }));
  const arrived = unknownThatArrived(books, read);
  const anomalies: Anomaly[] = [];
  const tallies = [...read.values()].map((book) => [
    book.name,
    tally(book, { books, publishers, arrived, since, anomalies }),
  ]);
  const all = [...books.values()].flat();
  const count = (outcome: Outcome): number => all.filter((message) => message?.outcome === outcome).length;
  return {
    published: all.length,
    acknowledged: count('acknowledged'),
    unknown: count('unknown'),
    refused: count('refused'),
    groups: Object.fromEntries(tallies),
    anomalies: anomalies.slice(0, listed),
    more: Math.max(0, anomalies.length - listed),
  };
}

function nameOf({ customer, group }: ConsumerJob): string {
  return `${customer}/${group}`;
}

/** By number. What was never answered is unknown. */
async function readPublished(path: string): Promise<Message[]> {
  const outcomes: Record<string, Outcome> = { a: 'acknowledged', u: 'unknown', r: 'refused' };
  const messages: Message[] = [];
  await eachRecord(path, ([kind = '', n = '', atMs = '', what = '']) => {
    if (kind === 'p')
      messages[Number(n)] = { publishedMs: Number(atMs), digest: what, outcome: 'unknown', sequence: null };
    const message = messages[Number(n)];
    const outcome = outcomes[kind];
    if (message === undefined || outcome === undefined) return;
    message.outcome = outcome;
    if (kind === 'a') message.sequence = Number(what);
  });
  return messages;
}

interface Arrival extends Delivery {
  digest: string;
}

interface GroupBook {
  name: string;
  customer: string;
  topic: string;
  terminals: number;
  /** by message id, each in the order of the ledger's clock */
  arrivals: Map<string, Arrival[]>;
}

interface GroupFiles extends Pick<JudgeOptions, 'dir' | 'consumers' | 'fullDisks'> {
  name: string;
  job: ConsumerJob;
}

async function readGroup({ dir, name, job, consumers, fullDisks }: GroupFiles): Promise<GroupBook> {
  const { customer, group } = job;
  const prefix = `delivered.${customer}.`;
  const files = (await readdir(dir)).filter((file) => file.startsWith(prefix) && file.endsWith(`.${group}`));
  const arrivals = new Map<string, Arrival[]>();
  for (const file of files) {
    const site = siteOf(file);
    const unsure = fullDisks.filter((full) => full.site === site);
    await readDelivered(join(dir, file), { site, arrivals, unsure });
  }
  for (const all of arrivals.values()) all.sort((a, b) => a.atMs - b.atMs);
  const terminals = consumers.filter((job) => job.customer === customer && job.group === group).length;
  return { name, customer, topic: group.slice(0, group.indexOf('@')), terminals, arrivals };
}

function siteOf(file: string): string {
  return file.split('.')[2] ?? '';
}

interface DeliveredContext {
  site: string;
  arrivals: Map<string, Arrival[]>;
  unsure: readonly FullDisk[];
}

async function readDelivered(path: string, { site, arrivals, unsure }: DeliveredContext): Promise<void> {
  await eachRecord(path, ([kind, id = '', atMs = '', place = '', more = '']) => {
    const known = arrivals.get(id);
    if (kind === 'd' && more !== '') {
      const arrival = { atMs: Number(atMs), site, place, isConfirmed: false, digest: more };
      if (known === undefined) arrivals.set(id, [arrival]);
      else known.push(arrival);
    }
    const isSure = unsure.every(({ fromMs, untilMs }) => Number(atMs) < fromMs || Number(atMs) > untilMs);
    if (kind !== 'k' || !isSure || Number(more) > ackWaitMs) return;
    const last = known?.findLast((arrival) => arrival.place === place && arrival.site === site);
    if (last !== undefined) last.isConfirmed = true;
  });
}

/** Ids of unknown publishes that came out of a group: the others owe them too. */
function unknownThatArrived(
  books: ReadonlyMap<string, Message[]>,
  groups: ReadonlyMap<string, GroupBook>,
): Set<string> {
  const found = new Set<string>();
  for (const { arrivals } of groups.values()) {
    for (const id of arrivals.keys()) if (messageOf(books, id)?.outcome === 'unknown') found.add(id);
  }
  return found;
}

function messageOf(books: ReadonlyMap<string, Message[]>, id: string): Message | undefined {
  const at = id.lastIndexOf('.');
  return books.get(id.slice(0, at))?.[Number(id.slice(at + 1))];
}

interface TallyContext {
  books: ReadonlyMap<string, Message[]>;
  publishers: readonly PublisherJob[];
  arrived: ReadonlySet<string>;
  /** of late groups, by name and publishing site */
  since: ReadonlyMap<string, ReadonlyMap<string, number>>;
  anomalies: Anomaly[];
}

function tally(book: GroupBook, context: TallyContext): GroupTally {
  const { books, publishers, arrived, since, anomalies } = context;
  const sums: GroupTally = { ...emptyTally };
  const note = (kind: AnomalyKind, id: string): void => {
    sums[kind] += 1;
    anomalies.push(anomalyOf(kind, id, book, messageOf(books, id)));
  };
  for (const [id, arrivals] of book.arrivals) weigh(id, arrivals, { book, books, sums, note });
  const isLate = since.has(book.name);
  for (const { name, customer, topic, site } of publishers) {
    if (customer !== book.customer || topic !== book.topic) continue;
    const messages = books.get(name) ?? [];
    const fromMs = isLate ? (since.get(book.name)?.get(site) ?? Number.POSITIVE_INFINITY) : 0;
    messages.forEach((message, n) => {
      const id = `${name}.${n}`;
      if ((message.outcome !== 'acknowledged' && !arrived.has(id)) || message.publishedMs < fromMs) return;
      sums.owed += 1;
      if (!book.arrivals.has(id)) note('lost', id);
    });
    sums.reordered += inversions(name, messages.length, book.arrivals);
  }
  return sums;
}

const emptyTally: GroupTally = {
  owed: 0,
  delivered: 0,
  lost: 0,
  duplicated: 0,
  changed: 0,
  unexpected: 0,
  leaked: 0,
  unknownDelivered: 0,
  redelivered: 0,
  afterConfirmation: 0,
  moved: 0,
  reordered: 0,
};

interface WeighContext {
  book: GroupBook;
  books: ReadonlyMap<string, Message[]>;
  sums: GroupTally;
  note: (kind: AnomalyKind, id: string) => void;
}

/** One message's deliveries at one group. */
function weigh(id: string, arrivals: readonly Arrival[], { book, books, sums, note }: WeighContext): void {
  const message = messageOf(books, id);
  const [customer, , topic] = id.split('.');
  const isStray = customer !== book.customer || topic !== book.topic;
  if (message === undefined || isStray) {
    note(message === undefined ? 'unexpected' : 'leaked', id);
    return;
  }
  sums.delivered += 1;
  if (message.outcome === 'unknown') sums.unknownDelivered += 1;
  if (message.outcome === 'refused') note('unexpected', id);
  if (arrivals.some(({ digest }) => digest !== message.digest)) note('changed', id);
  const second = arrivals.slice(1).map((arrival, at) => repeatOf(arrival, arrivals.slice(0, at + 1), book.terminals));
  for (const kind of ['redelivered', 'afterConfirmation', 'moved'] as const)
    sums[kind] += second.filter((one) => one === kind).length;
  if (second.includes('duplicated')) note('duplicated', id);
}

type Repeat = 'redelivered' | 'afterConfirmation' | 'moved' | 'duplicated';

/** What a delivery is after the ones before it. */
function repeatOf({ site, place }: Arrival, before: readonly Arrival[], terminals: number): Repeat {
  const same = before.filter((one) => one.site === site && one.place === place);
  const others = before.filter((one) => !same.includes(one));
  if (same.length === 0) return terminals === 1 || others.some((one) => one.isConfirmed) ? 'duplicated' : 'moved';
  return same.some((one) => one.isConfirmed) ? 'afterConfirmation' : 'redelivered';
}

/** How many messages came out before one that was published earlier. */
function inversions(publisher: string, count: number, arrivals: ReadonlyMap<string, Arrival[]>): number {
  let latestMs = 0;
  let found = 0;
  for (let n = 0; n < count; n++) {
    const firstMs = arrivals.get(`${publisher}.${n}`)?.[0]?.atMs;
    if (firstMs === undefined) continue;
    if (firstMs < latestMs) found += 1;
    latestMs = Math.max(latestMs, firstMs);
  }
  return found;
}

function anomalyOf(kind: AnomalyKind, id: string, book: GroupBook, message: Message | undefined): Anomaly {
  const deliveries = (book.arrivals.get(id) ?? []).map(({ digest: _, ...delivery }) => delivery);
  return {
    kind,
    group: book.name,
    id,
    sequence: message?.sequence ?? null,
    publishedMs: message?.publishedMs ?? null,
    outcome: message?.outcome ?? null,
    deliveries,
  };
}
