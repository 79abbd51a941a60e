/** `mbus dlq show`: one dead letter with all it says, read at its site. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { printable } from '../../src/config/names.ts';
import { BusError } from '../../src/errors.ts';
import { exampleText, isLabDir } from '../control-verb.ts';
import { groupName } from '../full-names.ts';
import {
  controlDir,
  controlDirOption,
  type DirOption,
  type JsonOption,
  jsonOption,
  usage,
  wholeNumber,
} from '../options.ts';
import { printResult } from '../output.ts';

interface ShowOptions extends DirOption, JsonOption {
  seq: number;
  site?: string;
  siteDir?: string;
}

export function addShow(dlq: Command): void {
  dlq
    .command('show <customer/topic@group>')
    .description('show one dead letter whole; runs at its site, since what a message says leaves no LAN')
    .requiredOption('--seq <n>', 'its number, as mbus dlq ls prints it', wholeNumber(1))
    .option('--site-dir <dir>', 'the directory of its site')
    .option('--site <site>', 'with --dir of a lab: its site')
    .addOption(controlDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText([
        'mbus dlq show acme/trade@risk --seq 3 --site-dir /var/lib/mbus-site',
        'mbus dlq show acme/trade@risk --seq 3 --dir ./lab --site frankfurt --json',
      ]),
    )
    .action(show);
}

async function show(path: string, options: ShowOptions): Promise<void> {
  const { customer, topic, group } = groupName(path);
  const { openCustomer } = await import('../../src/site/index.ts');
  const { readLetter } = await import('../../src/deadletters/index.ts');
  const nc = await openCustomer(siteDir(options), customer);
  try {
    const letter = await readLetter(nc, { topic, group, seq: options.seq });
    if (letter === null) throw new BusError('E_UNKNOWN_NOUN', `${path} has no dead letter ${options.seq} at this site`);
    const payload = Buffer.from(letter.payload);
    printResult(options.json, { ...letter, payload: payload.toString('base64') }, () => letterText(letter, payload));
  } finally {
    await nc.close();
  }
}

function siteDir(options: ShowOptions): string {
  if (options.siteDir !== undefined) return options.siteDir;
  const dir = controlDir(options);
  if (isLabDir(dir) && options.site !== undefined) return join(dir, 'sites', options.site);
  throw usage('give --site-dir, or --dir of a lab and --site');
}

function letterText(
  letter: {
    reason: string;
    subject: string;
    publishedAt: string;
    diedAt: string;
    deliveries: number;
    headers: string[];
  },
  payload: Buffer,
): string {
  return [
    `subject     ${printable(letter.subject)}`,
    `reason      ${letter.reason}`,
    `published   ${letter.publishedAt}`,
    `died        ${letter.diedAt}`,
    `deliveries  ${letter.deliveries}`,
    ...letter.headers.map((line) => `header      ${printable(line)}`),
    '',
    printable(payload.toString('utf8')),
  ].join('\n');
}
