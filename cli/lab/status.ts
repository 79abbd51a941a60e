/** `mbus lab status`: the same view as `mbus status`, of a lab. */
import type { Command } from 'commander';
import { jsonOption } from '../options.ts';
import { printResult } from '../output.ts';
import { type LabOptions, labDirOption } from './options.ts';

export function addStatus(lab: Command): void {
  lab
    .command('status')
    .description('what is up in the lab, what waits, and why')
    .addOption(labDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ mbus lab status --dir ./lab')
    .action(status);
}

async function status({ dir, json }: LabOptions): Promise<void> {
  const { labStatus } = await import('../../src/lab/index.ts');
  const { statusText } = await import('../status-text.ts');
  const view = await labStatus(dir);
  printResult(json, view, () => statusText(view));
}
