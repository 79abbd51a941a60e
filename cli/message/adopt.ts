/** `mbus adopt`: what an existing stream gets becomes a topic's, while the stream's own clients go on. Looks first. */
import { readFile } from 'node:fs/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Command } from 'commander';
import { checkName } from '../../src/config/names.ts';
import { BusError, errorText } from '../../src/errors.ts';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption } from '../options.ts';
import { printResult, talk } from '../output.ts';
import { type AdoptionPlan, adopt, planAdoption } from './adoption.ts';
import { type AppOptions, withApp, withAppOptions } from './client.ts';
import { createPublish } from './publish.ts';

interface AdoptOptions extends AppOptions, JsonOption {
  from: string;
  fromCreds?: string;
  topic: string;
  subject?: string;
  run?: boolean;
  untilEmpty?: boolean;
}

export function register(program: Command): void {
  withAppOptions(program.command('adopt <stream>'))
    .description(
      'copy what an existing stream gets to a topic; its own clients go on. Without --run it only says what it would do',
    )
    .requiredOption('--from <url>', 'nats-server that has the stream')
    .option('--from-creds <file>', 'credential for it, with the right to make a consumer at the stream')
    .requiredOption('--topic <topic>', 'what it becomes', (text) => checkName('topic', text))
    .option('--subject <subject>', 'this part of the stream (default: its one subject)')
    .option('--run', 'copy, until interrupted')
    .option('--until-empty', 'with --run: end when nothing waits any more')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText([
        'mbus adopt ORDERS --from nats://old:4222 --topic trade --dir ./lab --app acme/exchange',
        'mbus adopt ORDERS --from nats://old:4222 --topic trade --dir ./lab --app acme/exchange --run',
      ]),
    )
    .action(run);
}

async function run(stream: string, options: AdoptOptions): Promise<void> {
  const from = await connectOld(options);
  try {
    const { jetstreamManager } = await import('@nats-io/jetstream');
    const { topic, subject, json } = options;
    const plan = await planAdoption(await jetstreamManager(from), { stream, topic, subject });
    const copied = options.run === true && plan.problems.length === 0 ? await copy(from, plan, options) : null;
    printResult(json, { ...plan, copied }, () => planText(plan, copied));
    if (plan.problems.length > 0) throw new BusError('E_ADOPT', plan.problems.join('; '));
  } finally {
    await from.close();
  }
}

async function copy(from: NatsConnection, plan: AdoptionPlan, options: AdoptOptions): Promise<number> {
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  talk(`${plan.stream}: ${plan.from} is copied to ${plan.to}`);
  try {
    return await withApp(options, async (nc) => {
      const publish = await createPublish(nc);
      return adopt(from, plan, publish, { untilEmpty: options.untilEmpty === true, isAsked: () => isInterrupted });
    });
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

async function connectOld({ from, fromCreds }: AdoptOptions): Promise<NatsConnection> {
  const { connect, credsAuthenticator } = await import('@nats-io/transport-node');
  try {
    const creds = fromCreds === undefined ? undefined : credsAuthenticator(await readFile(fromCreds));
    return await connect({ servers: from, name: 'mbus adopt', ...(creds && { authenticator: creds }) });
  } catch (cause) {
    throw new BusError('E_SERVER_AWAY', `${from}: ${errorText(cause)}`, { cause });
  }
}

function planText({ problems, notes, ...plan }: AdoptionPlan, copied: number | null): string {
  const lines = [
    `stream ${plan.stream} (${plan.retention}, ${plan.messages} messages): ${plan.from} becomes ${plan.to}`,
    `goes on as before: its publishers${plan.consumers.map((name) => `, consumer ${name}`).join('')}`,
    `made at the stream: consumer ${plan.durable}-…`,
    ...notes.map((note) => `note: ${note}`),
    ...problems.map((text) => `cannot be done: ${text}`),
    copied === null ? 'nothing was changed: --run copies' : `copied ${copied} messages`,
  ];
  return lines.join('\n');
}
