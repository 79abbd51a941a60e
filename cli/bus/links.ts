/** `mbus links`: every link as both its ends see it: state, round trip, loss, cost, backlog, since when, why not up. */
import type { Command } from 'commander';
import { bytesText, durationText, type Status } from '../../src/status/index.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { ofCustomer } from '../of-customer.ts';
import { printResult, table } from '../output.ts';

interface LinksOptions extends ControlOptions {
  customer?: string;
}

/** A link as one of its ends sees it. */
interface LinkRow {
  /** `customer/a-b` */
  link: string;
  seenAt: string;
  state: string;
  rttMs: number | null;
  jitterMs: number;
  lossRatio: number;
  cost: number | null;
  backlogBytes: number;
  sinceMs: number;
  reason: string;
}

export function register(program: Command): void {
  controlVerb(program, 'links', 'show every link as its ends see it now', [
    'mbus links',
    'mbus links --customer acme --json',
  ])
    .option('--customer <name>', 'only this customer')
    .action(links);
}

/** E_UNKNOWN_NOUN when there is no such customer. */
async function links({ customer, ...options }: LinksOptions): Promise<void> {
  const status = await withControl(options, async (control) => {
    ofCustomer((await control.call('bus.export', {})).file, customer);
    return control.call('bus.status', {});
  });
  const prefix = customer === undefined ? '' : `${customer}/`;
  const rows = linkRows(status).filter(({ link }) => link.startsWith(prefix));
  printResult(options.json, rows, () => linksText(rows));
}

function linkRows(status: Status): LinkRow[] {
  const rows = status.sites.flatMap(({ name, report }) =>
    (report?.links ?? []).map(({ linkId, ...facts }) => ({
      link: status.names[linkId] ?? linkId,
      seenAt: name,
      ...facts,
    })),
  );
  return rows.sort((a, b) => (`${a.link} ${a.seenAt}` < `${b.link} ${b.seenAt}` ? -1 : 1));
}

function linksText(rows: readonly LinkRow[]): string {
  const head = ['LINK', 'SEEN AT', 'STATE', 'RTT', 'JITTER', 'LOSS', 'COST', 'BACKLOG', 'SINCE', 'WHY'];
  const lines = rows.map((row) => [
    row.link,
    row.seenAt,
    row.state,
    row.rttMs === null ? '-' : `${row.rttMs.toFixed(1)} ms`,
    `${row.jitterMs.toFixed(1)} ms`,
    `${(row.lossRatio * 100).toFixed(0)} %`,
    row.cost === null ? '-' : String(Number(row.cost.toFixed(3))),
    bytesText(row.backlogBytes),
    durationText(row.sinceMs),
    row.reason || '-',
  ]);
  return table([head, ...lines]);
}
