/** The verbs of `mbus dlq`. */
import type { Command } from 'commander';
import { addLs } from './ls.ts';
import { addPurge } from './purge.ts';
import { addRetry } from './retry.ts';
import { addShow } from './show.ts';

export function register(program: Command): void {
  const dlq = program
    .command('dlq')
    .description('dead letters: messages that found their end, kept per group and site');
  addLs(dlq);
  addShow(dlq);
  addRetry(dlq);
  addPurge(dlq);
}
