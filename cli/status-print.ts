/** The status of a bus or a part of it on stdout: what `mbus status` and `mbus lab status` share. */
import type { Command } from 'commander';
import { filterStatus, type Status, type StatusFilter, stuckThings } from '../src/status/index.ts';
import type { JsonOption } from './options.ts';
import { printResult } from './output.ts';
import { statusText } from './status-text.ts';

export function addStatusFilter(verb: Command): Command {
  return verb
    .option('--customer <name>', 'only this customer')
    .option('--site <name>', 'only what this site reports')
    .option('--topic <topic>', 'only this topic: trade or acme/trade')
    .option('--group <group>', 'only this group: risk, trade@risk or acme/trade@risk');
}

/** E_UNKNOWN_NOUN when the filter names nothing. */
export function printStatus(whole: Status, options: StatusFilter & JsonOption): void {
  const { customer, site, topic, group } = options;
  const all = stuckThings(whole, Date.now());
  const { status, stuck } = filterStatus(whole, all, { customer, site, topic, group });
  printResult(options.json, { ...status, stuck }, () => statusText(status, stuck));
}
