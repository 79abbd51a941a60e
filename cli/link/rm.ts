/** `mbus link rm`: removes a link. */
import type { Command } from 'commander';
import { removeLink } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';

export function addRm(link: Command): void {
  controlVerb(link, 'rm <customer> <a> <b>', 'remove a link', ['mbus link rm acme tokyo frankfurt']).action(rm);
}

async function rm(customer: string, a: string, b: string, options: ControlOptions): Promise<void> {
  await editBus(options, (bus) => removeLink(bus, customer, [a, b]));
}
