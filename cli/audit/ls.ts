/** `mbus audit ls`: the newest entries of the audit table. */
import type { Command } from 'commander';
import { printable } from '../../src/config/names.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { wholeNumber } from '../options.ts';
import { printResult, table } from '../output.ts';

interface LsOptions extends ControlOptions {
  limit: number;
  before?: number;
}

export function addLs(audit: Command): void {
  controlVerb(audit, 'ls', 'list the newest audit entries', [
    'mbus audit ls --limit 20',
    'mbus audit ls --before 4711 --json',
  ])
    .option('--limit <n>', 'at most this many, up to 1000', wholeNumber(1, 1_000), 50)
    .option('--before <id>', 'only entries older than this one', wholeNumber(1))
    .action(ls);
}

async function ls({ limit, before, ...options }: LsOptions): Promise<void> {
  const request = { limit, ...(before !== undefined && { before }) };
  const { rows } = await withControl(options, (control) => control.call('audit.list', request));
  const lines = rows.map((row) => [
    String(row.id),
    row.at,
    row.actor,
    row.action,
    row.noun,
    printable(JSON.stringify(row.details)).slice(1, -1),
  ]);
  printResult(options.json, { rows }, () => table([['ID', 'AT', 'ACTOR', 'ACTION', 'NOUN', 'DETAILS'], ...lines]));
}
