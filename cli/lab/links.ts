/** `mbus lab links`: state and counters of every proxied link. */
import type { Command } from 'commander';
import { jsonOption } from '../options.ts';
import { printResult, table } from '../output.ts';
import { type LabOptions, labDirOption } from './options.ts';

export function addLinks(lab: Command): void {
  lab
    .command('links')
    .description('state, shape and byte counters of every link of the lab')
    .addOption(labDirOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  $ mbus lab links --dir ./lab')
    .action(links);
}

async function links({ dir, json }: LabOptions): Promise<void> {
  const { labLinks } = await import('../../src/lab/index.ts');
  const all = (await labLinks(dir)).sort((a, b) => (a.link < b.link ? -1 : 1));
  const rows = all.map(({ link, flow, shape, connections, bytes }) => [
    link.replace(/^link\//, '').replaceAll('/', ' '),
    flow,
    `${shape.delayMs} ms`,
    shape.mbit === null ? '-' : `${shape.mbit} Mbit/s`,
    String(connections),
    String(bytes.up),
    String(bytes.down),
  ]);
  printResult(json, all, () =>
    table([['LINK', 'FLOW', 'DELAY', 'RATE', 'CONNECTIONS', 'BYTES UP', 'BYTES DOWN'], ...rows]),
  );
}
