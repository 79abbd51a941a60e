/** `mbus link set`: changes cost, way or compression of a link. */
import type { Command } from 'commander';
import { setLink } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { usage } from '../options.ts';
import { type LinkFields, withLinkFields } from './options.ts';

export function addSet(link: Command): void {
  const verb = controlVerb(link, 'set <customer> <a> <b>', 'change a link', [
    'mbus link set acme tokyo frankfurt --cost 50',
  ]);
  withLinkFields(verb).action(set);
}

async function set(
  customer: string,
  a: string,
  b: string,
  { dir, json, ...fields }: ControlOptions & LinkFields,
): Promise<void> {
  if (Object.keys(fields).length === 0)
    throw usage('give at least one of --cost, --via, --transport, --proxy, --compress');
  await editBus({ dir, json }, (bus) => setLink(bus, customer, { between: [a, b], ...fields }));
}
