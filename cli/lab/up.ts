/** `mbus lab up`: starts a lab and returns when everything in it is ready. */
import type { Command } from 'commander';
import { BusError } from '../../src/errors.ts';
import type { LabInfo } from '../../src/lab/index.ts';
import { readTextFile } from '../files.ts';
import { jsonOption } from '../options.ts';
import { printResult, table, talk } from '../output.ts';
import { type LabOptions, labDirOption } from './options.ts';

interface UpOptions extends LabOptions {
  keep?: boolean;
}

export function addUp(lab: Command): void {
  lab
    .command('up')
    .description('start the bus of a file on this machine; returns when everything is ready')
    .argument('<file>', 'bus file (YAML)')
    .addOption(labDirOption())
    .option('--keep', 'leave the directory behind when a part does not start')
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action(up);
}

const examples = `
The directory holds everything: a control plane with its PostgreSQL, one nats-server and one sidecar per site, one proxy
per link. It runs until  mbus lab down.

Examples:
  $ mbus lab up bus.yaml --dir ./lab
  $ mbus lab up bus.yaml --dir ./lab --json | jq -r '.apps["acme/exchange"].creds'`;

async function up(fileName: string, { dir, keep = false, json }: UpOptions): Promise<void> {
  const { labUp } = await import('../../src/lab/index.ts');
  const text = await readTextFile(fileName);
  const info = await labUp({ text, fileName, dir, keep, progress: talk, signal: untilInterrupted() });
  printResult(json, info, () => infoText(info, dir));
}

function infoText(info: LabInfo, dir: string): string {
  const sites = Object.entries(info.sites).map(([name, { nats, metrics }]) => [name, nats, metrics]);
  const apps = Object.entries(info.apps).map(([name, { nats, creds }]) => [name, nats, creds]);
  const parts = [table([['SITE', 'NATS', 'METRICS'], ...sites])];
  if (apps.length > 0) parts.push(table([['APP', 'NATS', 'CREDS'], ...apps]));
  return [...parts, `console ${info.console}  (log in: mbus console login --dir ${dir})`].join('\n\n');
}

/** Aborted by the first SIGINT or SIGTERM: what was started is stopped again. */
function untilInterrupted(): AbortSignal {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => abort.abort(new BusError('E_LAB_START', `interrupted by ${name}`)));
  }
  return abort.signal;
}
