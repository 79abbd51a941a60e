/** The verbs of `mbus audit`. */
import type { Command } from 'commander';
import { addLs } from './ls.ts';
import { addVerify } from './verify.ts';

export function register(program: Command): void {
  const audit = program.command('audit').description('who changed what, and what was refused');
  addLs(audit);
  addVerify(audit);
}
