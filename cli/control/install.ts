/** `mbus control install`: a systemd unit for a control plane. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { exampleText } from '../control-verb.ts';
import { controlDir, controlDirOption, type DirOption } from '../options.ts';
import { installUnit, type UnitOptions, withUnitOptions } from '../unit.ts';

export function addInstall(control: Command): void {
  withUnitOptions(control.command('install').addOption(controlDirOption()))
    .description('write a systemd unit that runs the control plane; DATABASE_URL goes into /etc/mbus/mbus-control.env')
    .addHelpText('after', exampleText(['mbus control install --dir /var/lib/mbus --monitor 127.0.0.1:9091']))
    .action(install);
}

async function install(options: UnitOptions & DirOption): Promise<void> {
  const dir = resolve(controlDir(options));
  const { user, monitor } = options;
  const command = ['control', 'run', '--dir', dir, ...(monitor === undefined ? [] : ['--monitor', monitor])];
  await installUnit({ name: 'mbus-control', description: 'MessageBus, control plane', command, dir, user }, options);
}
