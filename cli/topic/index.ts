/** The verbs of `mbus topic`. */
import type { Command } from 'commander';
import { addCreate } from './create.ts';
import { addLs } from './ls.ts';
import { addRm } from './rm.ts';

export function register(program: Command): void {
  const topic = program.command('topic').description('what is sent');
  addCreate(topic);
  addLs(topic);
  addRm(topic);
}
