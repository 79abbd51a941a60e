/** `mbus group ls`: the groups with their terminals. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, readBus } from '../control-verb.ts';
import { ofCustomer } from '../of-customer.ts';
import { printResult, table } from '../output.ts';

export function addLs(group: Command): void {
  controlVerb(group, 'ls [customer]', 'list the groups', ['mbus group ls acme']).action(ls);
}

async function ls(customer: string | undefined, options: ControlOptions): Promise<void> {
  const groups = ofCustomer(await readBus(options), customer).flatMap(({ name, topics }) =>
    topics.flatMap((topic) => topic.groups.map((group) => ({ customer: name, topic: topic.name, ...group }))),
  );
  const rows = groups.map((g) => [`${g.customer}/${g.topic}@${g.name}`, g.terminals.join(','), g.policy, g.onFull]);
  printResult(options.json, groups, () => table([['GROUP', 'TERMINALS', 'POLICY', 'ON FULL'], ...rows]));
}
