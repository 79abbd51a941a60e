/** `mbus terminal token`: a one-time token to register a terminal again, with new keys. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { printToken } from '../token.ts';

export function addToken(terminal: Command): void {
  controlVerb(
    terminal,
    'token <customer/site>',
    'print a token to register the terminal with: single use, 15 minutes',
    ['mbus terminal token acme/tokyo --out tokyo.token'],
  )
    .option('--out <file>', 'write it to a file of mode 0600 instead of stdout')
    .action(token);
}

async function token(path: string, { out, ...options }: ControlOptions & { out?: string }): Promise<void> {
  const { customer, name: site } = customerName('site', path);
  await printToken(options, { site, customer }, out);
}
