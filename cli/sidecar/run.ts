/** `mbus sidecar run`: the sidecar of one site in the foreground. */
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { runDaemon } from '../daemon.ts';
import { hostPort, siteDirOption } from '../options.ts';

interface RunOptions {
  dir: string;
  externalServer?: boolean;
  monitor?: string;
}

export function addRun(sidecar: Command): void {
  sidecar
    .command('run')
    .description("run a site's sidecar until SIGTERM; it starts and looks after the site's nats-server")
    .addOption(siteDirOption())
    .option('--external-server', 'somebody else starts nats-server; wait for it')
    .option('--monitor <host:port>', 'where /metrics, /healthz and /readyz answer', hostPort)
    .addHelpText('after', '\nExample:\n  $ mbus sidecar run --dir /var/lib/mbus-site')
    .action(run);
}

async function run({ dir, externalServer = false, monitor }: RunOptions): Promise<void> {
  const { startSidecar } = await import('../../src/sidecar.ts');
  const { transitMaxBytes } = readEnv();
  await runDaemon('sidecar', (log) => startSidecar({ dir, externalServer, monitor, transitMaxBytes, log }));
}
