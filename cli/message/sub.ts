/** `mbus sub`: consumes a group and prints what it gets; a message is acknowledged once it is printed. */
import { once } from 'node:events';
import type { Consumer, JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Command } from 'commander';
import { checkName, printable } from '../../src/config/names.ts';
import { BusError, errorText, isBusError } from '../../src/errors.ts';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, usage, wholeNumber } from '../options.ts';
import { talk } from '../output.ts';
import { type AppOptions, untilRefused, withApp, withAppOptions } from './client.ts';

interface SubOptions extends AppOptions, JsonOption {
  count: number;
  ack: boolean;
  timeoutMs?: number;
}

// A pull never asks for more than is still wanted: what a client leaves unread comes back only after the ack wait.
const pullMessages = 50;
const pullExpiresMs = 2_000;

export function register(program: Command): void {
  withAppOptions(program.command('sub <topic@group>'))
    .description('consume a group and print what it gets, until interrupted')
    .option('--count <n>', 'end after this many messages', wholeNumber(1), Number.POSITIVE_INFINITY)
    .option('--timeout-ms <n>', 'fail when nothing came for this long', wholeNumber(1))
    .option('--no-ack', 'do not acknowledge: the messages come again')
    .option('--json', 'one JSON document a line for each message')
    .addHelpText(
      'after',
      exampleText([
        'mbus sub trade@risk --dir ./lab --app acme/risk-engine',
        'mbus sub trade@risk --count 10 --json --server nats://127.0.0.1:4222 --creds risk.creds',
      ]),
    )
    .action(sub);
}

async function sub(text: string, options: SubOptions): Promise<void> {
  const [topicText, groupText, ...rest] = text.split('@');
  if (groupText === undefined || rest.length > 0) throw usage(`use topic@group (got ${printable(text)})`);
  const topic = checkName('topic', topicText);
  const group = checkName('group', groupText);
  await withApp(options, async (nc) => {
    const consumer = await openGroup(nc, topic, group);
    const refused = untilRefused(nc);
    refused.catch(() => {});
    const done = await Promise.race([consumeAll(consumer, options), refused]);
    talk(`${done} ${done === 1 ? 'message' : 'messages'}`);
  });
}

/** A group's own stream; a topic of scope lan has none, its groups sit on the topic's stream. */
async function openGroup(nc: NatsConnection, topic: string, group: string): Promise<Consumer> {
  const { jetstream } = await import('@nats-io/jetstream');
  const js = jetstream(nc, { timeout: 5_000 });
  const own = await js.consumers.get(`${topic}@${group}`, group).catch(toReason);
  if (!(own instanceof BusError)) return own;
  const shared = await js.consumers.get(topic, group).catch(toReason);
  if (!(shared instanceof BusError)) return shared;
  throw own;

  function toReason(cause: unknown): BusError {
    return new BusError('E_APP_REFUSED', `group ${topic}@${group}: ${errorText(cause)}`, { cause });
  }
}

async function consumeAll(consumer: Consumer, options: SubOptions): Promise<number> {
  const interrupt = { isAsked: false };
  const onSignal = (): void => {
    interrupt.isAsked = true;
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let done = 0;
  let lastAt = performance.now();
  while (done < options.count && !interrupt.isAsked) {
    const wanted = Math.min(pullMessages, options.count - done);
    for await (const message of await pull(consumer, wanted)) {
      await print(message, options);
      done += 1;
      lastAt = performance.now();
    }
    if (options.timeoutMs !== undefined && performance.now() - lastAt > options.timeoutMs) {
      throw new BusError('E_TIMEOUT', `nothing came for ${options.timeoutMs} ms, after ${done} messages`);
    }
  }
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  return done;
}

async function pull(consumer: Consumer, wanted: number): Promise<AsyncIterable<JsMsg>> {
  try {
    return await consumer.fetch({ max_messages: wanted, expires: pullExpiresMs });
  } catch (cause) {
    if (isBusError(cause)) throw cause;
    throw new BusError('E_SERVER_AWAY', `cannot fetch: ${errorText(cause)}`, { cause });
  }
}

async function print(message: JsMsg, { json, ack }: SubOptions): Promise<void> {
  const text = json ? JSON.stringify(messageDocument(message)) : messageText(message);
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
  if (ack) message.ack();
}

/** One line of `--json`: `data` as text, or `dataBase64` where the payload is no UTF-8. */
function messageDocument(message: JsMsg): Record<string, unknown> {
  const text = utf8(message.data);
  return {
    subject: message.subject,
    headers: Object.fromEntries(headerEntries(message)),
    ...(text === null ? { dataBase64: Buffer.from(message.data).toString('base64') } : { data: text }),
    seq: message.info.streamSequence,
    deliveries: message.info.deliveryCount,
  };
}

/** For people: without the transport's own Nats-* headers. */
function messageText(message: JsMsg): string {
  const own = headerEntries(message).filter(([key]) => !/^nats-/i.test(key));
  const headers = own.flatMap(([key, values]) => values.map((value) => `  ${key}: ${value}`));
  const data = utf8(message.data) ?? `(${message.data.length} bytes, not text)`;
  return [`${message.subject}  #${message.info.streamSequence}`, ...headers, data].join('\n');
}

function headerEntries({ headers }: JsMsg): [string, string[]][] {
  return headers ? headers.keys().map((key) => [key, headers.values(key)]) : [];
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
