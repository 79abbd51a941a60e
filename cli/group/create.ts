/** `mbus group create`: a group that must receive a topic. */
import type { Command } from 'commander';
import { addGroup } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { groupName, nameList } from '../full-names.ts';
import { type GroupFields, withGroupFields } from './options.ts';

type CreateOptions = ControlOptions & GroupFields & { terminals: string[] };

export function addCreate(group: Command): void {
  const verb = controlVerb(group, 'create <customer/topic@group>', 'a group that gets every message of a topic once', [
    'mbus group create acme/trade@risk --terminals frankfurt',
    'mbus group create acme/trade@archive --terminals virginia,frankfurt --policy ordered',
  ]).requiredOption(
    '--terminals <sites>',
    'where its consumers are, with commas; in order for policy ordered',
    nameList,
  );
  withGroupFields(verb).action(create);
}

async function create(path: string, { dir, json, terminals, ...fields }: CreateOptions): Promise<void> {
  const name = groupName(path);
  await editBus({ dir, json }, (bus) => addGroup(bus, name, { terminals, ...fields }));
}
