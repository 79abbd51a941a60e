/** The verbs of `mbus ticket`. */
import type { Command } from 'commander';
import { addLs } from './ls.ts';
import { addRevoke } from './revoke.ts';

export function register(program: Command): void {
  const ticket = program.command('ticket').description('five minutes of sealing, given to a terminal for a topic');
  addLs(ticket);
  addRevoke(ticket);
}
