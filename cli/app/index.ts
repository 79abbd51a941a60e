/** The verbs of `mbus app`. */
import type { Command } from 'commander';
import { addContext } from './context.ts';
import { addCreate } from './create.ts';
import { addCreds } from './creds.ts';
import { addLs } from './ls.ts';
import { addRevoke } from './revoke.ts';
import { addRm } from './rm.ts';

export function register(program: Command): void {
  const app = program.command('app').description("an application's credential and rights");
  addCreate(app);
  addLs(app);
  addRm(app);
  addRevoke(app);
  addCreds(app);
  addContext(app);
}
