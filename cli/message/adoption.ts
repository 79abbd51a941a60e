/**
 * An existing stream of any NATS user becomes the source of a topic: read through a durable of its own, published to the
 * topic under the mapped subject, and acknowledged there only once the site has it on disk. Nothing about the stream, its
 * publishers and its other consumers changes.
 *
 * A message's id at the topic is made from the stream and its sequence, so one that is copied twice (this process died
 * between the two acknowledgements) is stored once, within the topic's `dedupeMs`.
 */
import { randomBytes } from 'node:crypto';
import type { Consumer, ConsumerInfo, JetStreamManager, JsMsg, StreamInfo } from '@nats-io/jetstream';
import { type MsgHdrs, type NatsConnection, headers as newHeaders } from '@nats-io/nats-core';
import { BusError, errorText } from '../../src/errors.ts';
import { checkSubject, type Publish } from './publish.ts';
import { Window } from './window.ts';

export interface AdoptionPlan {
  stream: string;
  /** what is read, and what it becomes: `orders.>` to `trade.>` */
  from: string;
  to: string;
  retention: string;
  messages: number;
  /** those that are there go on as before */
  consumers: string[];
  /** with what follows a dash the name of what is made at the stream, and kept when the copying ends */
  durable: string;
  /** why it cannot be done; empty when it can */
  problems: string[];
  notes: string[];
}

export interface AdoptionOptions {
  stream: string;
  topic: string;
  /** which part of the stream; all of it where it has one subject */
  subject?: string | undefined;
}

const underWay = 256;
const ackWaitNs = 60_000_000_000;
const pullExpiresMs = 1_000;

/** Looks and changes nothing. E_ADOPT when there is no such stream */
export async function planAdoption(
  jsm: JetStreamManager,
  { stream, topic, subject }: AdoptionOptions,
): Promise<AdoptionPlan> {
  const info = await streamInfo(jsm, stream);
  const consumers = await jsm.consumers.list(stream).next();
  const from = subject ?? (info.config.subjects.length === 1 ? (info.config.subjects[0] ?? '') : '');
  const durable = `mbus-adopt-${topic}`;
  const rest = from.slice(literalPrefix(from).length);
  return {
    stream,
    from,
    to: `${topic}${rest}`,
    retention: info.config.retention,
    messages: info.state.messages,
    consumers: consumers.map(({ name }) => name).filter((name) => !isOurs(name, durable)),
    durable,
    problems: problemsOf(
      info,
      from,
      consumers.filter(({ name }) => !isOurs(name, durable)),
    ),
    notes: notesOf(info),
  };
}

function problemsOf({ config }: StreamInfo, from: string, others: readonly ConsumerInfo[]): string[] {
  const problems: string[] = [];
  if (from === '')
    problems.push(`the stream has several subjects: say which with --subject (${config.subjects.join(', ')})`);
  else if (literalPrefix(from) === '')
    problems.push(`${from} begins with a wildcard, so nothing of it can become the topic`);
  if (config.retention === 'workqueue' && others.length > 0)
    problems.push(
      'the stream is a work queue with consumers: a copy would take messages from them; move those to a group first',
    );
  return problems;
}

function notesOf({ config }: StreamInfo): string[] {
  const notes: string[] = [];
  if (config.retention === 'interest') notes.push('the stream keeps each message until it is copied, too');
  if (config.retention === 'workqueue') notes.push('the stream is a work queue: what is copied is gone from it');
  if (config.max_age > 0 || config.max_msgs > 0 || config.max_bytes > 0)
    notes.push('the stream has limits: what it drops before it is copied does not reach the topic');
  return notes;
}

/** Copies until `isAsked`, or with `untilEmpty` until nothing waits. Resolves with how many. E_NOT_STORED E_SERVER_AWAY */
export async function adopt(
  from: NatsConnection,
  plan: AdoptionPlan,
  publish: Publish,
  { untilEmpty, isAsked }: { untilEmpty: boolean; isAsked: () => boolean },
): Promise<number> {
  const { jetstream, jetstreamManager } = await import('@nats-io/jetstream');
  const jsm = await jetstreamManager(from);
  const { created } = await streamInfo(jsm, plan.stream);
  const durable = await takeOver(jsm, plan);
  const consumer = await jetstream(from).consumers.get(plan.stream, durable);
  const window = new Window(underWay);
  let copied = 0;
  while (!isAsked() && window.failure === undefined) {
    for await (const message of await pull(consumer)) {
      await window.run(`${plan.stream}:${message.seq}`, async () => {
        await publish({
          subject: mapSubject(plan, message.subject),
          payload: message.data,
          headers: headersOf(message, created),
        });
        await message.ackAck();
        copied += 1;
      });
      if (window.failure !== undefined) break;
    }
    await window.idle();
    if (untilEmpty && window.failure === undefined && (await isEmpty(jsm, plan.stream, durable))) break;
  }
  if (window.failure !== undefined) throw window.failure;
  return copied;
}

async function pull(consumer: Consumer): Promise<AsyncIterable<JsMsg>> {
  try {
    return await consumer.fetch({ max_messages: underWay, expires: pullExpiresMs });
  } catch (cause) {
    throw new BusError('E_SERVER_AWAY', `the stream cannot be read: ${errorText(cause)}`, { cause });
  }
}

async function isEmpty(jsm: JetStreamManager, stream: string, durable: string): Promise<boolean> {
  const { num_pending, num_ack_pending } = await jsm.consumers.info(stream, durable);
  return num_pending === 0 && num_ack_pending === 0;
}

/**
 * A durable that begins where the run before had come to, and nothing left of that run's: what it had under way comes at
 * once and in its place instead of after the ack wait. The new one is there before the old one goes, so a death in between
 * forgets nothing; a work queue takes no second one, and there the stream itself holds what is left.
 */
async function takeOver(jsm: JetStreamManager, plan: AdoptionPlan): Promise<string> {
  const before = (await jsm.consumers.list(plan.stream).next()).filter(({ name }) => isOurs(name, plan.durable));
  const other = before.find(({ config }) => config.filter_subject !== plan.from);
  if (other !== undefined)
    throw new BusError(
      'E_ADOPT',
      `${other.name} at ${plan.stream} reads ${other.config.filter_subject}: remove it first`,
    );
  const remove = async (): Promise<void> => {
    for (const { name } of before) await jsm.consumers.delete(plan.stream, name);
  };
  if (plan.retention === 'workqueue') await remove();
  const floor = Math.max(0, ...before.map(({ ack_floor }) => ack_floor.stream_seq));
  const name = await addDurable(jsm, plan, floor + 1);
  if (plan.retention !== 'workqueue') await remove();
  return name;
}

async function addDurable(jsm: JetStreamManager, { stream, durable, from, retention }: AdoptionPlan, start: number) {
  const { AckPolicy, DeliverPolicy } = await import('@nats-io/jetstream');
  const { name } = await jsm.consumers.add(stream, {
    durable_name: `${durable}-${randomBytes(4).toString('hex')}`,
    description: 'copied to a topic of a message bus',
    ack_policy: AckPolicy.Explicit,
    ...(retention === 'workqueue'
      ? { deliver_policy: DeliverPolicy.All }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start }),
    filter_subject: from,
    ack_wait: ackWaitNs,
    max_ack_pending: underWay,
  });
  return name;
}

function isOurs(name: string, durable: string): boolean {
  return name.startsWith(`${durable}-`);
}

async function streamInfo(jsm: JetStreamManager, stream: string): Promise<StreamInfo> {
  try {
    return await jsm.streams.info(stream);
  } catch (cause) {
    throw new BusError('E_ADOPT', `stream ${stream}: ${errorText(cause)}`, { cause });
  }
}

/** Leading tokens without a wildcard: `orders.eu` of `orders.eu.>`. */
function literalPrefix(subject: string): string {
  const tokens = subject.split('.');
  const wild = tokens.findIndex((token) => token === '*' || token === '>');
  return tokens.slice(0, wild === -1 ? tokens.length : wild).join('.');
}

function mapSubject({ from, to }: AdoptionPlan, subject: string): string {
  const topic = to.split('.', 1)[0] ?? '';
  return checkSubject(`${topic}${subject.slice(literalPrefix(from).length)}`);
}

/** The application's own headers; what was its id for the old stream's duplicates is kept under another name. */
function headersOf(message: JsMsg, created: string): MsgHdrs {
  const copy = newHeaders();
  for (const [key, values] of message.headers ?? []) {
    if (/^(nats|mb)-/i.test(key)) continue;
    for (const value of values) copy.append(key, value);
  }
  const ownId = message.headers?.get('Nats-Msg-Id') ?? '';
  if (ownId !== '') copy.set('Adopted-Msg-Id', ownId);
  copy.set('Nats-Msg-Id', `adopt:${message.info.stream}:${created}:${message.seq}`);
  return copy;
}
