/** What the revoking verbs share: an option, and how they say what stays behind. */
import type { Command } from 'commander';
import type { ControlOptions } from './control-verb.ts';

export interface RevokeOptions extends ControlOptions {
  compromised?: boolean;
}

export function withCompromised(verb: Command): Command {
  return verb.option(
    '--compromised',
    'its securekey is known to others: what it sealed until now opens nowhere any more',
  );
}

export function revokedText(what: string, waiting: number): string {
  if (waiting === 0) return `${what} is revoked`;
  return `${what} is revoked; ${waiting} messages wait there by its last report, and stay`;
}
