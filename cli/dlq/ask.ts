/** Asks sites about a group's dead letters and waits for the answers. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { LetterAnswer } from '../../src/api/letters.ts';
import type { RequestOf } from '../../src/api/methods.ts';
import { BusError } from '../../src/errors.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { groupName } from '../full-names.ts';
import { usage, wholeNumber } from '../options.ts';
import { printResult, table } from '../output.ts';

type Question = Omit<RequestOf<'letters.start'>, 'customer' | 'topic' | 'group'>;

interface SiteAnswer {
  site: string;
  answer: LetterAnswer;
}

export interface ChooseOptions extends ControlOptions {
  site?: string;
  seq?: number[];
  all?: boolean;
  waitMs: number;
}

const pollMs = 200;

export function waitOption(verb: Command): Command {
  return verb.option('--wait-ms <ms>', 'how long to wait for the sites', wholeNumber(0), 10_000);
}

/** The answers of all sites asked, and names for their ids. E_TIMEOUT when one did not answer in time. */
export async function askSites(
  options: ControlOptions & { waitMs: number },
  group: string,
  question: Question,
): Promise<{ sites: SiteAnswer[]; names: Record<string, string> }> {
  return withControl(options, async (control) => {
    const { taskIds } = await control.call('letters.start', { ...groupName(group), ...question });
    const deadline = performance.now() + options.waitMs;
    for (;;) {
      const { sites, names } = await control.call('letters.get', { taskIds });
      const answered = sites.flatMap(({ site, answer }) => (answer === null ? [] : [{ site, answer }]));
      if (answered.length === sites.length) return { sites: answered, names };
      if (performance.now() > deadline) throw silent(sites.filter(({ answer }) => answer === null));
      await delay(pollMs);
    }
  });
}

/** A verb that acts on some or all dead letters of a group. */
export function choosingVerb(dlq: Command, usageText: string, description: string, examples: string[]): Command {
  const verb = controlVerb(dlq, usageText, description, examples)
    .option('--site <site>', 'only at this site')
    .option('--seq <numbers>', 'these, by their number in the list of one site, with commas', sequences)
    .option('--all', 'all of them');
  return waitOption(verb);
}

/** Retries or purges, and prints how many at each site. */
export async function actOn(group: string, action: 'retry' | 'purge', options: ChooseOptions): Promise<void> {
  const { site, seq, all } = options;
  if ((seq === undefined) === (all !== true)) throw usage('give either --seq or --all');
  if (seq !== undefined && site === undefined) throw usage('numbers are those of one site: give --site too');
  const question = { site: site ?? null, action, seqs: seq ?? null, after: 0, limit: 1 };
  const { sites } = await askSites(options, group, question);
  const rows = sites.map(({ site: at, answer: { done, error } }) => ({ site: at, done, error }));
  const refused = rows.filter(({ error, done }) => error !== '' && done === 0);
  const isNothing = rows.every(({ done }) => done === 0) && refused.length > 0;
  printResult(options.json, { group, action, sites: rows }, () =>
    table([['SITE', action === 'retry' ? 'RETRIED' : 'PURGED', 'WHY NOT'], ...rows.map(cells)]),
  );
  if (isNothing) process.exitCode = 1;
}

function cells({ site, done, error }: { site: string; done: number; error: string }): string[] {
  return [site, String(done), error || '-'];
}

function sequences(text: string): number[] {
  return text.split(',').map((part) => wholeNumber(1)(part.trim()));
}

function silent(sites: readonly { site: string }[]): BusError {
  const names = sites.map(({ site }) => site).join(', ');
  return new BusError('E_TIMEOUT', `no answer from ${names}: they act on it when they are back within a minute`);
}
