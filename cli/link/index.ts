/** The verbs of `mbus link`. */
import type { Command } from 'commander';
import { addAdd } from './add.ts';
import { addLs } from './ls.ts';
import { addRm } from './rm.ts';
import { addSet } from './set.ts';

export function register(program: Command): void {
  const link = program.command('link').description('a connection between two terminals of a customer');
  addAdd(link);
  addLs(link);
  addRm(link);
  addSet(link);
}
