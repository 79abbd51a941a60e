/** `mbus group set`: changes terminals, policy or limits of a group. */
import type { Command } from 'commander';
import { setGroup } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { groupName, nameList } from '../full-names.ts';
import { usage } from '../options.ts';
import { type GroupFields, withGroupFields } from './options.ts';

type SetOptions = ControlOptions & GroupFields & { terminals?: string[] };

export function addSet(group: Command): void {
  const verb = controlVerb(group, 'set <customer/topic@group>', 'change a group', [
    'mbus group set acme/trade@archive --terminals frankfurt,virginia',
    'mbus group set acme/trade@risk --on-full dropOldest',
  ]).option('--terminals <sites>', 'where its consumers are, with commas', nameList);
  withGroupFields(verb).action(set);
}

async function set(path: string, { dir, json, ...fields }: SetOptions): Promise<void> {
  if (Object.keys(fields).length === 0) throw usage('give at least one field to change');
  const name = groupName(path);
  await editBus({ dir, json }, (bus) => setGroup(bus, name, fields));
}
