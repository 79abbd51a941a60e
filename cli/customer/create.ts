/** `mbus customer create`: a customer with its first terminals. */
import type { Command } from 'commander';
import { addCustomer } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { nameList } from '../full-names.ts';
import { parseLink } from '../link/spec.ts';
import { collect } from '../options.ts';

interface CreateOptions extends ControlOptions {
  terminals: string[];
  link?: string[];
  isolateApps?: boolean;
}

export function addCreate(customer: Command): void {
  controlVerb(customer, 'create <name>', 'create a customer with its first terminals', [
    'mbus customer create acme --terminals tokyo,frankfurt --link tokyo,frankfurt',
  ])
    .requiredOption('--terminals <sites>', 'sites where it has a terminal, with commas', nameList)
    .option('--link <a,b[,cost]>', 'a link between two of them; may be repeated', collect)
    .option('--isolate-apps', 'an account of its own for each app: they trust each other with nothing')
    .action(create);
}

async function create(name: string, { dir, json, terminals, link = [], isolateApps }: CreateOptions): Promise<void> {
  const links = link.map(parseLink);
  await editBus({ dir, json }, (bus) => addCustomer(bus, { name, terminals, links, isolateApps }));
}
