/** `mbus dlq retry`: gives dead letters to their group's consumers once more. */
import type { Command } from 'commander';
import { actOn, type ChooseOptions, choosingVerb } from './ask.ts';

export function addRetry(dlq: Command): void {
  choosingVerb(
    dlq,
    'retry <customer/topic@group>',
    "give dead letters to the group's consumers at their site once more; audited",
    ['mbus dlq retry acme/trade@risk --all', 'mbus dlq retry acme/trade@risk --site frankfurt --seq 3,4'],
  ).action((group: string, options: ChooseOptions) => actOn(group, 'retry', options));
}
