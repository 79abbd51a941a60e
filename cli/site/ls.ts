/** `mbus site ls`: the declared sites. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, readBus } from '../control-verb.ts';
import { printResult, table } from '../output.ts';

export function addLs(site: Command): void {
  controlVerb(site, 'ls', 'list the sites', ['mbus site ls --json']).action(ls);
}

async function ls(options: ControlOptions): Promise<void> {
  const { sites } = await readBus(options);
  const rows = sites.map(({ name, mode, address, websocket, proxy, durability }) => [
    name,
    mode,
    address ?? '-',
    websocket ?? '-',
    proxy ?? '-',
    durability,
  ]);
  printResult(options.json, sites, () =>
    table([['SITE', 'MODE', 'ADDRESS', 'WEBSOCKET', 'PROXY', 'DURABILITY'], ...rows]),
  );
}
