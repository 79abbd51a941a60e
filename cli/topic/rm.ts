/** `mbus topic rm`: removes a topic with its groups and what waits for them. */
import type { Command } from 'commander';
import { removeTopic } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus, type ForceOption, forceOption } from '../control-verb.ts';
import { customerName } from '../full-names.ts';

export function addRm(topic: Command): void {
  controlVerb(topic, 'rm <customer/topic>', 'remove a topic with its groups; refused while an app has rights to it', [
    'mbus topic rm acme/trade',
  ])
    .addOption(forceOption())
    .action(rm);
}

async function rm(path: string, options: ControlOptions & ForceOption): Promise<void> {
  const { customer, name } = customerName('topic', path);
  await editBus(options, (bus) => removeTopic(bus, customer, name));
}
