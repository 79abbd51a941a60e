/** `mbus control migrate`: brings the database's tables to this version. Forward only. */
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { controlDir, controlDirOption, type DirOption, type JsonOption, jsonOption } from '../options.ts';
import { printResult } from '../output.ts';

export function addMigrate(control: Command): void {
  control
    .command('migrate')
    .description("bring the database's tables to this version; an embedded control plane does it by itself")
    .addOption(controlDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ DATABASE_URL=postgres://mbus:…@db:5432/mbus mbus control migrate')
    .action(migrate);
}

async function migrate({ dir, json }: DirOption & JsonOption): Promise<void> {
  const { runMigrations } = await import('../../src/control.ts');
  const { databaseUrl } = readEnv();
  const applied = await runMigrations({ databaseUrl, dir: controlDir({ dir }) });
  printResult(json, { applied }, () => (applied.length === 0 ? 'nothing to do' : `applied ${applied.join(', ')}`));
}
