/** The verbs of `mbus route`. */
import type { Command } from 'commander';
import { addExplain } from './explain.ts';

export function register(program: Command): void {
  addExplain(program.command('route').description('which way messages take'));
}
