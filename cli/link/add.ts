/** `mbus link add`: a link between two terminals of a customer. */
import type { Command } from 'commander';
import { addLink } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { type LinkFields, withLinkFields } from './options.ts';

export function addAdd(link: Command): void {
  const verb = controlVerb(link, 'add <customer> <a> <b>', 'connect two terminals of a customer', [
    'mbus link add acme tokyo frankfurt --cost 10',
  ]);
  withLinkFields(verb).action(add);
}

async function add(
  customer: string,
  a: string,
  b: string,
  { dir, json, ...fields }: ControlOptions & LinkFields,
): Promise<void> {
  await editBus({ dir, json }, (bus) => addLink(bus, customer, { between: [a, b], ...fields }));
}
