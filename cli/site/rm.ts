/** `mbus site rm`: removes a site that has no terminal any more. */
import type { Command } from 'commander';
import { removeSite } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';

export function addRm(site: Command): void {
  controlVerb(site, 'rm <name>', 'remove a site; refused while a customer has a terminal there', [
    'mbus site rm virginia',
  ]).action(rm);
}

async function rm(name: string, options: ControlOptions): Promise<void> {
  await editBus(options, (bus) => removeSite(bus, name));
}
