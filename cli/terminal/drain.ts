/** `mbus terminal drain` and `undrain`: empties a terminal before work on its site, and takes it back. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { printResult } from '../output.ts';

export function addDrain(terminal: Command): void {
  controlVerb(
    terminal,
    'drain <customer/site>',
    'send new messages of its groups to their other terminals and move what waits here there',
    ['mbus terminal drain acme/tokyo'],
  ).action((path: string, options: ControlOptions) => setDraining(path, true, options));
  controlVerb(terminal, 'undrain <customer/site>', 'let a drained or forgotten terminal serve its groups again', [
    'mbus terminal undrain acme/tokyo',
  ]).action((path: string, options: ControlOptions) => setDraining(path, false, options));
}

async function setDraining(path: string, isDraining: boolean, options: ControlOptions): Promise<void> {
  const { customer, name: site } = customerName('site', path);
  const result = await withControl(options, (control) =>
    control.call('terminal.drain', { customer, site, isDraining }),
  );
  printResult(options.json, { ...result, terminal: path, isDraining }, () =>
    isDraining ? `${path} drains; mbus status shows what is left` : `${path} serves its groups again`,
  );
}
