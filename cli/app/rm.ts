/** `mbus app rm`: removes an application; its connections are closed. */
import type { Command } from 'commander';
import { removeApp } from '../../src/config/edit.ts';
import { type ControlOptions, controlVerb, editBus } from '../control-verb.ts';
import { customerName } from '../full-names.ts';

export function addRm(app: Command): void {
  controlVerb(app, 'rm <customer/app>', 'remove an application; its connections are closed', [
    'mbus app rm acme/exchange',
  ]).action(rm);
}

async function rm(path: string, options: ControlOptions): Promise<void> {
  const { customer, name } = customerName('app', path);
  await editBus(options, (bus) => removeApp(bus, customer, name));
}
