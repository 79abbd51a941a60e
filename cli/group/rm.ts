/** `mbus group rm`: removes a group with what waits for it. */
import type { Command } from 'commander';
import { removeGroup } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus, type ForceOption, forceOption } from '../control-verb.ts';
import { groupName } from '../full-names.ts';

export function addRm(group: Command): void {
  controlVerb(group, 'rm <customer/topic@group>', 'remove a group; refused while an app consumes it', [
    'mbus group rm acme/trade@archive',
  ])
    .addOption(forceOption())
    .action(rm);
}

async function rm(path: string, options: ControlOptions & ForceOption): Promise<void> {
  const name = groupName(path);
  await editBus(options, (bus) => removeGroup(bus, name));
}
