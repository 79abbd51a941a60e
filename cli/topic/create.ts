/** `mbus topic create`: a topic of a customer; groups follow with `mbus group create`. */
import { type Command, Option } from 'commander';
import type { TopicSpec } from '../../src/config/bus-file.ts';
import { addTopic } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { wholeNumber } from '../options.ts';

type CreateOptions = ControlOptions & Partial<Omit<TopicSpec, 'name' | 'groups'>>;

export function addCreate(topic: Command): void {
  controlVerb(topic, 'create <customer/topic>', 'create a topic', [
    'mbus topic create acme/trade',
    'mbus topic create acme/orders --max-bytes 10737418240 --strict',
  ])
    .addOption(new Option('--scope <scope>', 'lan: never leaves a site').choices(['bus', 'lan']))
    .option('--max-bytes <n>', 'disk budget at each site where it is published (default: 1 GiB)', wholeNumber(1))
    .option('--max-transit-age-ms <n>', 'older envelopes are put aside, not opened (default: 7 days)', wholeNumber(1))
    .option('--dedupe-ms <n>', 'duplicate window of Nats-Msg-Id (default: 2 minutes)', wholeNumber(1))
    .option('--rotate-after-ms <n>', 'a new key version at that age (default: 30 days)', wholeNumber(60_000))
    .option('--rotate-after-messages <n>', 'or after that many messages (default: 1,000,000,000)', wholeNumber(1))
    .option('--ordered', 'what comes behind a gap waits until the gap is filled')
    .option('--strict', 'a fresh key ticket for every envelope')
    .action(create);
}

async function create(path: string, { dir, json, ...fields }: CreateOptions): Promise<void> {
  const { customer, name } = customerName('topic', path);
  await editBus({ dir, json }, (bus) => addTopic(bus, customer, { name, ...fields }));
}
