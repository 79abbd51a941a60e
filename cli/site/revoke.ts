/** `mbus site revoke`: lets a whole site in no more. */
import type { Command } from 'commander';
import { checkName } from '../../src/config/names.ts';
import { controlVerb, withControl } from '../control-verb.ts';
import { printResult } from '../output.ts';
import { type RevokeOptions, revokedText, withCompromised } from '../revoked.ts';

export function addRevoke(site: Command): void {
  withCompromised(
    controlVerb(
      site,
      'revoke <name>',
      'let a site and all its terminals in no more; it is told, and cut off a few seconds later. It comes back with mbus site token',
      ['mbus site revoke tokyo', 'mbus site revoke tokyo --compromised'],
    ),
  ).action(revoke);
}

async function revoke(name: string, { compromised = false, ...options }: RevokeOptions): Promise<void> {
  const request = { site: checkName('site', name), isCompromised: compromised };
  const result = await withControl(options, (control) => control.call('site.revoke', request));
  printResult(options.json, { site: name, ...result }, () => revokedText(`site ${name}`, result.waiting));
}
