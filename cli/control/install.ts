/** `mbus control install`: a systemd unit for a control plane. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { exampleText } from '../control-verb.ts';
import { controlDir, controlDirOption, type DirOption } from '../options.ts';
import { installUnit, type UnitOptions, withUnitOptions } from '../unit.ts';
import { type ConsoleOptions, consoleOf, withConsoleOptions } from './console-options.ts';

export function addInstall(control: Command): void {
  withConsoleOptions(withUnitOptions(control.command('install').addOption(controlDirOption())))
    .description('write a systemd unit that runs the control plane; DATABASE_URL goes into /etc/mbus/mbus-control.env')
    .addHelpText('after', exampleText(examples))
    .action(install);
}

const examples = [
  'mbus control install --dir /var/lib/mbus --monitor 127.0.0.1:9091',
  'mbus control install --dir /var/lib/mbus --console 127.0.0.1:8443',
];

/** E_USAGE E_CONSOLE_TLS: what the daemon would not start with is refused here. */
async function install(options: UnitOptions & DirOption & ConsoleOptions): Promise<void> {
  const dir = resolve(controlDir(options));
  const { user, monitor } = options;
  const page = consoleOf(options);
  if (page !== undefined) {
    const { listenAddress } = await import('../../src/control.ts');
    const { requireSafe } = await import('../../src/console/index.ts');
    requireSafe({ ...listenAddress(page.address), ...page });
  }
  const words = {
    monitor,
    console: page?.address,
    'console-cert': page?.tls && resolve(page.tls.cert),
    'console-key': page?.tls && resolve(page.tls.key),
    'console-url': page?.url,
  };
  const given = Object.entries(words).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  const command = ['control', 'run', '--dir', dir, ...given];
  await installUnit({ name: 'mbus-control', description: 'MessageBus, control plane', command, dir, user }, options);
}
