/** `mbus dlq ls`: how many dead letters each group has, or those of one group. */
import type { Command } from 'commander';
import { bytesText } from '../../src/status/index.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { wholeNumber } from '../options.ts';
import { printResult, table } from '../output.ts';
import { askSites, waitOption } from './ask.ts';

interface LsOptions extends ControlOptions {
  site?: string;
  after: number;
  limit: number;
  waitMs: number;
}

export function addLs(dlq: Command): void {
  const verb = controlVerb(dlq, 'ls [customer/topic@group]', 'list groups with dead letters, or those of one group', [
    'mbus dlq ls',
    'mbus dlq ls acme/trade@risk',
    'mbus dlq ls acme/trade@risk --site frankfurt --after 200 --json',
  ])
    .option('--site <site>', 'only at this site')
    .option('--after <seq>', 'only what lies behind this number', wholeNumber(0), 0)
    .option('--limit <n>', 'at most this many of each site, up to 1000', wholeNumber(1), 100);
  waitOption(verb).action(ls);
}

async function ls(group: string | undefined, options: LsOptions): Promise<void> {
  if (group === undefined) return listGroups(options);
  const { site = null, after, limit } = options;
  const { sites, names } = await askSites(options, group, { site, action: 'list', seqs: null, after, limit });
  const siteOf = (id: string | null): string | null => (id === null ? null : (names[id] ?? id).replace(/^.*@/, ''));
  const letters = sites.flatMap((at) =>
    at.answer.rows.map(({ originId, ...row }) => ({ site: at.site, ...row, origin: siteOf(originId) })),
  );
  printResult(options.json, { group, letters }, () =>
    letters.length === 0
      ? `${group} has no dead letters`
      : table([
          ['SITE', 'SEQ', 'REASON', 'FROM', 'PUBLISHED', 'DIED', 'DELIVERIES', 'SIZE'],
          ...letters.map((each) => [
            each.site,
            String(each.seq),
            each.reason,
            each.origin === null ? '-' : `${each.origin} ${each.originSeq}`,
            each.publishedAt,
            each.diedAt,
            String(each.deliveries),
            bytesText(each.size),
          ]),
        ]),
  );
}

async function listGroups(options: LsOptions): Promise<void> {
  const { sites, names } = await withControl(options, (control) => control.call('bus.status', {}));
  const groups = sites
    .filter(({ name }) => options.site === undefined || name === options.site)
    .flatMap(({ name: site, report }) =>
      (report?.groups ?? [])
        .filter(({ dead }) => dead > 0)
        .map(({ groupId, dead, deadBytes }) => ({
          group: names[groupId] ?? groupId,
          site,
          messages: dead,
          bytes: deadBytes,
        })),
    );
  printResult(options.json, { groups }, () =>
    groups.length === 0
      ? 'no dead letters'
      : table([
          ['GROUP', 'AT', 'MESSAGES', 'SIZE'],
          ...groups.map((each) => [each.group, each.site, String(each.messages), bytesText(each.bytes)]),
        ]),
  );
}
