/** The verbs of `mbus key`. */
import type { Command } from 'commander';
import { addRewrap } from './rewrap.ts';

export function register(program: Command): void {
  const key = program
    .command('key')
    .description("the master key, under which the control plane's secrets are encrypted");
  addRewrap(key);
}
