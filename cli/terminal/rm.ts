/** `mbus terminal rm`: removes a terminal with its links. */
import type { Command } from 'commander';
import { removeTerminal } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus, type ForceOption, forceOption } from '../control-verb.ts';
import { customerName } from '../full-names.ts';

export function addRm(terminal: Command): void {
  controlVerb(
    terminal,
    'rm <customer/site>',
    'remove a terminal with its links; refused while a group or an app is there',
    ['mbus terminal rm acme/virginia'],
  )
    .addOption(forceOption())
    .action(rm);
}

async function rm(path: string, options: ControlOptions & ForceOption): Promise<void> {
  const { customer, name: site } = customerName('site', path);
  await editBus(options, (bus) => removeTerminal(bus, customer, site));
}
