/** The verbs of `mbus terminal`. */
import type { Command } from 'commander';
import { addCreate } from './create.ts';
import { addDrain } from './drain.ts';
import { addForget } from './forget.ts';
import { addJoin } from './join.ts';
import { addLs } from './ls.ts';
import { addRekey, addRevoke } from './revoke.ts';
import { addRm } from './rm.ts';
import { addToken } from './token.ts';

export function register(program: Command): void {
  const terminal = program.command('terminal').description('a customer at a site');
  addCreate(terminal);
  addLs(terminal);
  addRm(terminal);
  addToken(terminal);
  addJoin(terminal);
  addDrain(terminal);
  addForget(terminal);
  addRevoke(terminal);
  addRekey(terminal);
}
