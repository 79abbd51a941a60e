/** `mbus terminal forget`: gives up a terminal that will not come back. */
import type { Command } from 'commander';
import { forgetText } from '../../src/api/forget.ts';
import { BusError } from '../../src/errors.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { printResult, talk } from '../output.ts';

interface ForgetOptions extends ControlOptions {
  acceptDuplicates?: boolean;
}

export function addForget(terminal: Command): void {
  controlVerb(
    terminal,
    'forget <customer/site>',
    'give up a terminal that will not come back: what it has not receipted goes to the other terminals of its groups too, once; without --accept-duplicates it only counts what may arrive twice',
    ['mbus terminal forget acme/tokyo', 'mbus terminal forget acme/tokyo --accept-duplicates'],
  )
    .option('--accept-duplicates', 'do it: what it stored without a receipt reaching its origin arrives twice')
    .action(forget);
}

async function forget(path: string, { acceptDuplicates = false, ...options }: ForgetOptions): Promise<void> {
  const { customer, name: site } = customerName('site', path);
  const result = await withControl(options, async (control) => {
    const counted = await control.call('terminal.forget', { customer, site, acceptDuplicates: false });
    if (!acceptDuplicates)
      throw new BusError('E_WOULD_DOUBLE', forgetText(path, counted.cost), { details: counted.cost });
    talk(forgetText(path, counted.cost));
    return control.call('terminal.forget', { customer, site, acceptDuplicates });
  });
  printResult(
    options.json,
    { terminal: path, ...result },
    () => `${path} is forgotten; mbus terminal undrain takes it back`,
  );
}
