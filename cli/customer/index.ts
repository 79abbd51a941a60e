/** The verbs of `mbus customer`. */
import type { Command } from 'commander';
import { addCreate } from './create.ts';
import { addLs } from './ls.ts';
import { addRm } from './rm.ts';
import { addDelete, addSuspend } from './suspend.ts';

export function register(program: Command): void {
  const customer = program
    .command('customer')
    .description('a tenant: its messages pass only through its own terminals');
  addCreate(customer);
  addLs(customer);
  addRm(customer);
  addSuspend(customer);
  addDelete(customer);
}
