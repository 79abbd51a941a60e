/** `mbus terminal create`: a customer's presence at one more site, with the links that reach it. */
import type { Command } from 'commander';
import { addTerminal } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { parseLink } from '../link/spec.ts';
import { collect } from '../options.ts';

interface CreateOptions extends ControlOptions {
  link?: string[];
}

export function addCreate(terminal: Command): void {
  controlVerb(terminal, 'create <customer/site>', "a customer's presence at one more site", [
    'mbus terminal create acme/virginia --link frankfurt',
    'mbus terminal create acme/osaka --link tokyo,1 --link frankfurt,20',
  ])
    .option('--link <site[,cost]>', 'link it with a terminal the customer has; may be repeated', collect)
    .action(create);
}

async function create(path: string, { link = [], ...options }: CreateOptions): Promise<void> {
  const { customer, name: site } = customerName('site', path);
  const links = link.map((text) => parseLink(`${site},${text}`));
  await editBus(options, (bus) => addTerminal(bus, customer, site, links));
}
