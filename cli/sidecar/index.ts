/** The verbs of `mbus sidecar`. */
import type { Command } from 'commander';
import { addRun } from './run.ts';

export function register(program: Command): void {
  addRun(program.command('sidecar').description('run the sidecar of a site'));
}
