/** `mbus lab down`: stops everything the lab started and removes its directory. */
import type { Command } from 'commander';
import { jsonOption } from '../options.ts';
import { printResult } from '../output.ts';
import { type LabOptions, labDirOption } from './options.ts';

interface DownOptions extends LabOptions {
  keep?: boolean;
}

export function addDown(lab: Command): void {
  lab
    .command('down')
    .description("stop all of the lab's processes and remove its directory")
    .addOption(labDirOption())
    .option('--keep', 'keep the directory')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ mbus lab down --dir ./lab\n  $ mbus lab down --dir ./lab --keep')
    .action(down);
}

async function down({ dir, keep = false, json }: DownOptions): Promise<void> {
  const { labDown } = await import('../../src/lab/index.ts');
  const { stopped } = await labDown(dir, { keep });
  printResult(json, { stopped, kept: keep }, () => `stopped ${stopped} processes, ${keep ? 'kept' : 'removed'} ${dir}`);
}
