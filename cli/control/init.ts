/** `mbus init`: the directory of a new control plane, its addresses, master key and admin identity. */
import type { Command } from 'commander';
import { controlDir, controlDirOption, type DirOption, hostPort, type JsonOption, jsonOption } from '../options.ts';
import { printResult } from '../output.ts';

interface InitOptions extends DirOption, JsonOption {
  listen: string;
  leafListen: string;
  websocketListen?: string;
  advertiseWebsocket?: string;
  advertise?: string;
  advertiseClient?: string;
  clusterListen?: string;
  advertiseCluster?: string;
}

export function register(program: Command): void {
  program
    .command('init')
    .description('make the directory of a new control plane: addresses, master key and the identity of its admin')
    .addOption(controlDirOption())
    .option('--listen <host:port>', 'where its nats-server takes clients; port 0: a free one', hostPort, '127.0.0.1:0')
    .option('--leaf-listen <host:port>', 'where sites connect; port 0: a free one', hostPort, '127.0.0.1:0')
    .option('--websocket-listen <host:port>', 'where sites connect over WebSocket as well', hostPort)
    .option('--advertise-websocket <host:port>', 'the WebSocket address as sites dial it', hostPort)
    .option('--advertise <host:port>', 'the leaf address as sites dial it (default: --leaf-listen)', hostPort)
    .option('--advertise-client <host:port>', 'the client address as admins and joining sites dial it', hostPort)
    .option(
      '--cluster-listen <host:port>',
      'where other replicas connect (default: the host of --leaf-listen, a free port)',
      hostPort,
    )
    .option('--advertise-cluster <host:port>', 'the cluster address as other replicas dial it', hostPort)
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action(init);
}

const examples = `
Examples:
  $ mbus init
  $ mbus init --dir /var/lib/mbus --leaf-listen 0.0.0.0:7433 --advertise bus.example.net:7433
  $ mbus init --dir /var/lib/mbus --listen 0.0.0.0:7432 --leaf-listen 0.0.0.0:7433 \\
      --cluster-listen 10.0.0.2:7434 --advertise two.bus.example.net:7433 --advertise-cluster 10.0.0.2:7434`;

async function init({ dir, json, ...addresses }: InitOptions): Promise<void> {
  const { initControl } = await import('../../src/control.ts');
  const path = controlDir({ dir });
  await initControl({ dir: path, ...addresses });
  printResult(json, { dir: path }, () => `made ${path}: start it with  mbus control run --dir ${path}`);
}
