/** `mbus lab daemon` (hidden): the process that holds a lab's links. `lab up` starts it. */
import type { Command } from 'commander';
import { runDaemon } from '../daemon.ts';
import { type LabOptions, labDirOption } from './options.ts';

export function addDaemon(lab: Command): void {
  lab.command('daemon', { hidden: true }).addOption(labDirOption()).action(daemon);
}

async function daemon({ dir }: LabOptions): Promise<void> {
  const { startLinkDaemon } = await import('../../src/lab/daemon.ts');
  await runDaemon('lab', () => startLinkDaemon({ dir }));
}
