/** `mbus topic ls`: the topics with their groups. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, readBus } from '../control-verb.ts';
import { ofCustomer } from '../of-customer.ts';
import { printResult, table } from '../output.ts';

export function addLs(topic: Command): void {
  controlVerb(topic, 'ls [customer]', 'list the topics', ['mbus topic ls acme']).action(ls);
}

async function ls(customer: string | undefined, options: ControlOptions): Promise<void> {
  const topics = ofCustomer(await readBus(options), customer).flatMap(({ name, topics }) =>
    topics.map((topic) => ({ customer: name, ...topic, groups: topic.groups.map((group) => group.name) })),
  );
  const rows = topics.map((t) => [`${t.customer}/${t.name}`, t.scope, String(t.maxBytes), t.groups.join(',') || '-']);
  printResult(options.json, topics, () => table([['TOPIC', 'SCOPE', 'MAX BYTES', 'GROUPS'], ...rows]));
}
