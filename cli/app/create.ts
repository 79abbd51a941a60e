/** `mbus app create`: an application's credential and its rights at one terminal. */
import type { Command } from 'commander';
import { addApp } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { customerName, nameList } from '../full-names.ts';
import { duration } from '../options.ts';

interface CreateOptions extends ControlOptions {
  terminal: string;
  publish?: string[];
  consume?: string[];
  deadLetters?: string[];
  expires?: number;
}

export function addCreate(app: Command): void {
  controlVerb(app, 'create <customer/app>', 'an application: what it may publish and consume, and where', [
    'mbus app create acme/exchange --terminal tokyo --publish trade,depth',
    'mbus app create acme/risk-engine --terminal frankfurt --consume trade@risk',
    'mbus app create acme/visitor --terminal tokyo --publish trade --expires 30d',
    'mbus app create acme/mender --terminal frankfurt --dead-letters trade@risk',
  ])
    .requiredOption('--terminal <site>', 'the site whose nats-server it uses')
    .option('--publish <topics>', 'topics it may publish, with commas', nameList)
    .option('--consume <groups>', 'topic@group it may consume, with commas', nameList)
    .option('--dead-letters <groups>', 'topic@group whose dead letters there it may read, with commas', nameList)
    .option('--expires <duration>', 'how long its credential is good, like 30d or 12h (default: without end)', duration)
    .action(create);
}

async function create(path: string, { dir, json, expires, ...fields }: CreateOptions): Promise<void> {
  const { customer, name } = customerName('app', path);
  await editBus({ dir, json }, (bus) =>
    addApp(bus, customer, { name, ...fields, ...(expires !== undefined && { credentialLifeMs: expires }) }),
  );
}
