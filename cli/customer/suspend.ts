/** `mbus customer suspend`, `resume` and `delete`: a tenant that must stop, go on, or go for good. */
import type { Command } from 'commander';
import { removeCustomer } from '../../src/config/edit.ts';
import { checkName } from '../../src/config/names.ts';
import { type ControlOptions, controlVerb, editBus, withControl } from '../control-verb.ts';
import { usage } from '../options.ts';
import { printResult } from '../output.ts';

export function addSuspend(customer: Command): void {
  controlVerb(
    customer,
    'suspend <name>',
    'stop a customer everywhere: no keys, no links, no applications; what waits stays where it is',
    ['mbus customer suspend globex'],
  ).action((name: string, options: ControlOptions) => suspend(name, true, options));
  controlVerb(customer, 'resume <name>', 'let a suspended customer go on; what waited moves on', [
    'mbus customer resume globex',
  ]).action((name: string, options: ControlOptions) => suspend(name, false, options));
}

export function addDelete(customer: Command): void {
  controlVerb(
    customer,
    'delete <name>',
    'remove a suspended customer with its keys: whatever of it is sealed anywhere opens never again',
    ['mbus customer suspend globex', 'mbus customer delete globex --force'],
  )
    .option('--force', 'although messages of it wait')
    .action(remove);
}

async function suspend(name: string, isSuspended: boolean, options: ControlOptions): Promise<void> {
  const request = { customer: checkName('customer', name), isSuspended };
  const result = await withControl(options, (control) => control.call('customer.suspend', request));
  const waiting = result.waiting === 0 ? '' : `; ${result.waiting} messages wait by the last reports`;
  printResult(options.json, { customer: name, ...result }, () =>
    isSuspended ? `${name} is suspended${waiting}` : `${name} goes on`,
  );
}

/** Suspended first, so that nothing comes in between the count and the end. */
async function remove(
  name: string,
  { force = false, ...options }: ControlOptions & { force?: boolean },
): Promise<void> {
  const request = { customer: checkName('customer', name), isSuspended: true };
  const { waiting } = await withControl(options, (control) => control.call('customer.suspend', request));
  if (waiting > 0 && !force) {
    throw usage(
      `${waiting} messages of ${name} wait by the last reports and would be lost: it is suspended now; add --force`,
    );
  }
  await editBus(options, (bus) => removeCustomer(bus, name));
}
