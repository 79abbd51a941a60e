/** `mbus sidecar run`: the sidecar of one site in the foreground. */
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { runDaemon } from '../daemon.ts';
import { hostPort, siteDirOption, wholeNumber } from '../options.ts';

interface RunOptions {
  dir: string;
  externalServer?: boolean;
  monitor?: string;
  seat?: number;
  server?: number[];
}

export function addRun(sidecar: Command): void {
  sidecar
    .command('run')
    .description("run a site's sidecar until SIGTERM; it starts and looks after the site's nats-server")
    .addOption(siteDirOption())
    .option('--external-server', 'somebody else starts nats-server; wait for it')
    .option('--seat <number>', 'one of several sidecars of this site: works while it holds the lease', wholeNumber(1))
    .option('--server <number>', 'of three nats-servers, one on this machine; may be repeated (default: all)', numbers)
    .option('--monitor <host:port>', 'where /metrics, /healthz and /readyz answer', hostPort)
    .addHelpText('after', '\nExample:\n  $ mbus sidecar run --dir /var/lib/mbus-site')
    .action(run);
}

async function run({ dir, externalServer = false, monitor, seat, server: servers }: RunOptions): Promise<void> {
  const { startSidecar } = await import('../../src/sidecar.ts');
  const { transitMaxBytes } = readEnv();
  await runDaemon('sidecar', (log) =>
    startSidecar({ dir, externalServer, monitor, seat, servers, transitMaxBytes, log }),
  );
}

function numbers(text: string, previous: number[] | undefined): number[] {
  return [...(previous ?? []), wholeNumber(1, 3)(text)];
}
