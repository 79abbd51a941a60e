/** The verbs of `mbus group`. */
import type { Command } from 'commander';
import { addCreate } from './create.ts';
import { addLs } from './ls.ts';
import { addRm } from './rm.ts';
import { addSet } from './set.ts';

export function register(program: Command): void {
  const group = program.command('group').description('who must receive a topic');
  addCreate(group);
  addLs(group);
  addRm(group);
  addSet(group);
}
