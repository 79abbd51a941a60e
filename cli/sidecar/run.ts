/** `mbus sidecar run`: the sidecar of one site in the foreground. */
import type { Command } from 'commander';
import { runDaemon } from '../daemon.ts';
import { siteDirOption } from '../options.ts';

interface RunOptions {
  dir: string;
  externalServer?: boolean;
}

export function addRun(sidecar: Command): void {
  sidecar
    .command('run')
    .description("run a site's sidecar until SIGTERM; it starts and looks after the site's nats-server")
    .addOption(siteDirOption())
    .option('--external-server', 'somebody else starts nats-server; wait for it')
    .addHelpText('after', '\nExample:\n  $ mbus sidecar run --dir /var/lib/mbus-site')
    .action(run);
}

async function run({ dir, externalServer = false }: RunOptions): Promise<void> {
  const { startSidecar } = await import('../../src/sidecar.ts');
  await runDaemon('sidecar', (log) => startSidecar({ dir, externalServer, log }));
}
