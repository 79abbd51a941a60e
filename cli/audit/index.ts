/** The verbs of `mbus audit`. */
import type { Command } from 'commander';
import { addLs } from './ls.ts';

export function register(program: Command): void {
  addLs(program.command('audit').description('who changed what, and what was refused'));
}
