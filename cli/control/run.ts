/** `mbus control run`: one replica of the control plane in the foreground. */
import { type Command, Option } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { runDaemon } from '../daemon.ts';
import { controlDir, controlDirOption, type DirOption, hostPort } from '../options.ts';
import { type ConsoleOptions, consoleOf, withConsoleOptions } from './console-options.ts';

interface RunOptions extends DirOption, ConsoleOptions {
  monitor?: string;
  clockFile?: string;
}

export function addRun(control: Command): void {
  const verb = control
    .command('run')
    .description('run one replica of the control plane until SIGTERM')
    .addOption(controlDirOption())
    .option('--monitor <host:port>', 'where /metrics, /healthz and /readyz answer', hostPort);
  withConsoleOptions(verb)
    .addOption(new Option('--clock-file <file>', "a lab's").hideHelp())
    .addHelpText('after', examples)
    .action(run);
}

const examples = `
DATABASE_URL names a PostgreSQL (15 or newer); without it one is started in the directory.
MBUS_MASTER_KEY_FILE names the file of the master key when it is kept elsewhere, MBUS_MASTER_KEY holds it, or
MBUS_MASTER_KEY_COMMAND is a command that prints it: 32 bytes, raw or as hex or base64.

Examples:
  $ mbus control run
  $ mbus control run --console 127.0.0.1:8443
  $ mbus control run --console 0.0.0.0:8443 --console-cert fullchain.pem --console-key privkey.pem
  $ DATABASE_URL=postgres://mbus:…@db:5432/mbus mbus control run --dir /var/lib/mbus`;

async function run({ dir, monitor, clockFile, ...options }: RunOptions): Promise<void> {
  const { startControl } = await import('../../src/control.ts');
  const { databaseUrl, masterKey } = readEnv();
  const page = consoleOf(options);
  await runDaemon('control', (log) =>
    startControl({ dir: controlDir({ dir }), databaseUrl, masterKey, monitor, clockFile, console: page, log }),
  );
}
