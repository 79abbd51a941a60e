/** `mbus dlq purge`: deletes dead letters for good. */
import type { Command } from 'commander';
import { actOn, type ChooseOptions, choosingVerb } from './ask.ts';

export function addPurge(dlq: Command): void {
  choosingVerb(dlq, 'purge <customer/topic@group>', 'delete dead letters for good; audited', [
    'mbus dlq purge acme/trade@risk --all',
    'mbus dlq purge acme/trade@risk --site frankfurt --seq 3',
  ]).action((group: string, options: ChooseOptions) => actOn(group, 'purge', options));
}
