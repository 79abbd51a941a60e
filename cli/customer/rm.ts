/** `mbus customer rm`: removes a customer with everything it has. */
import type { Command } from 'commander';
import { removeCustomer } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus, type ForceOption, forceOption } from '../control-verb.ts';

export function addRm(customer: Command): void {
  controlVerb(customer, 'rm <name>', 'remove a customer with its terminals, links, topics and apps', [
    'mbus customer rm globex',
  ])
    .addOption(forceOption())
    .action(rm);
}

async function rm(name: string, options: ControlOptions & ForceOption): Promise<void> {
  await editBus(options, (bus) => removeCustomer(bus, name));
}
