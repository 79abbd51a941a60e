/** `mbus terminal revoke` and `rekey`: lets a terminal in no more, or has it replace its securekey. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { printResult } from '../output.ts';
import { type RevokeOptions, revokedText, withCompromised } from '../revoked.ts';

export function addRevoke(terminal: Command): void {
  withCompromised(
    controlVerb(
      terminal,
      'revoke <customer/site>',
      'let a terminal in no more: no keys, no links, no applications; what waits there stays. It comes back with mbus terminal token',
      ['mbus terminal revoke acme/tokyo', 'mbus terminal revoke acme/tokyo --compromised'],
    ),
  ).action(revoke);
}

export function addRekey(terminal: Command): void {
  controlVerb(
    terminal,
    'rekey <customer/site>',
    'have the site replace the securekey of a terminal, within 15 minutes; the old one is worth nothing then',
    ['mbus terminal rekey acme/tokyo'],
  ).action(rekey);
}

async function revoke(path: string, { compromised = false, ...options }: RevokeOptions): Promise<void> {
  const { customer, name: site } = customerName('site', path);
  const request = { customer, site, isCompromised: compromised };
  const result = await withControl(options, (control) => control.call('terminal.revoke', request));
  printResult(options.json, { terminal: path, ...result }, () => revokedText(`terminal ${path}`, result.waiting));
}

async function rekey(path: string, options: ControlOptions): Promise<void> {
  const { customer, name: site } = customerName('site', path);
  const result = await withControl(options, (control) => control.call('terminal.rekey', { customer, site }));
  printResult(
    options.json,
    { terminal: path, ...result },
    () => `${path} replaces its securekey as soon as it hears of it`,
  );
}
