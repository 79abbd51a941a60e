/** `mbus control run`: one replica of the control plane in the foreground. */
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { runDaemon } from '../daemon.ts';
import { controlDir, controlDirOption, type DirOption, hostPort } from '../options.ts';

interface RunOptions extends DirOption {
  monitor?: string;
}

export function addRun(control: Command): void {
  control
    .command('run')
    .description('run one replica of the control plane until SIGTERM')
    .addOption(controlDirOption())
    .option('--monitor <host:port>', 'where /metrics, /healthz and /readyz answer', hostPort)
    .addHelpText('after', examples)
    .action(run);
}

const examples = `
DATABASE_URL names a PostgreSQL (15 or newer); without it one is started in the directory.
MBUS_MASTER_KEY_FILE names the master key when it is kept elsewhere.

Examples:
  $ mbus control run
  $ DATABASE_URL=postgres://mbus:…@db:5432/mbus mbus control run --dir /var/lib/mbus`;

async function run({ dir, monitor }: RunOptions): Promise<void> {
  const { startControl } = await import('../../src/control.ts');
  const { databaseUrl, masterKeyFile } = readEnv();
  await runDaemon('control', (log) =>
    startControl({ dir: controlDir({ dir }), databaseUrl, masterKeyFile, monitor, log }),
  );
}
