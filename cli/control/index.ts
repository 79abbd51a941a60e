/** The verbs of `mbus control`. */
import type { Command } from 'commander';
import { addInstall } from './install.ts';
import { addMigrate } from './migrate.ts';
import { addRun } from './run.ts';

export function register(program: Command): void {
  const control = program.command('control').description('run the control plane, migrate its database');
  addRun(control);
  addMigrate(control);
  addInstall(control);
}
