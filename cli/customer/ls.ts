/** `mbus customer ls`: the customers with their terminals. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, readBus } from '../control-verb.ts';
import { printResult, table } from '../output.ts';

export function addLs(customer: Command): void {
  controlVerb(customer, 'ls', 'list the customers', ['mbus customer ls']).action(ls);
}

async function ls(options: ControlOptions): Promise<void> {
  const customers = (await readBus(options)).customers.map(({ name, terminals, isolateApps, topics, apps }) => ({
    name,
    terminals,
    isolateApps,
    topics: topics.map((topic) => topic.name),
    apps: apps.map((app) => app.name),
  }));
  const rows = customers.map((c) => [c.name, c.terminals.join(','), String(c.topics.length), String(c.apps.length)]);
  printResult(options.json, customers, () => table([['CUSTOMER', 'TERMINALS', 'TOPICS', 'APPS'], ...rows]));
}
