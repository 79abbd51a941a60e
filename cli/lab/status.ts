/** `mbus lab status`: the same view as `mbus status`, of a lab. */
import type { Command } from 'commander';
import type { StatusFilter } from '../../src/status/index.ts';
import { jsonOption } from '../options.ts';
import { addStatusFilter, printStatus } from '../status-print.ts';
import { type LabOptions, labDirOption } from './options.ts';

export function addStatus(lab: Command): void {
  const verb = lab
    .command('status')
    .description('what is up in the lab, what waits, and why')
    .addOption(labDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ mbus lab status --dir ./lab');
  addStatusFilter(verb).action(status);
}

async function status(options: LabOptions & StatusFilter): Promise<void> {
  const { labStatus } = await import('../../src/lab/index.ts');
  printStatus(await labStatus(options.dir), options);
}
