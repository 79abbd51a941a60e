/** `mbus routes`: the paths from one site of a customer, as its sidecar sees them now. */
import type { Command } from 'commander';
import { BusError } from '../../src/errors.ts';
import { durationText, type Status } from '../../src/status/index.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { printResult, table } from '../output.ts';

interface RoutesOptions extends ControlOptions {
  from: string;
  customer: string;
}

interface RouteRow {
  to: string;
  /** sites, the first is `from`; null without a way */
  path: string[] | null;
  cost: number | null;
  /** every link of the path is up, as far as is known there */
  isWhole: boolean;
  rttMs: number;
  recordAgeMs: number | null;
}

export function register(program: Command): void {
  controlVerb(program, 'routes', 'show the paths from a site, as its sidecar sees them now', [
    'mbus routes --from tokyo --customer acme',
    'mbus routes --from tokyo --customer acme --json',
  ])
    .requiredOption('--from <site>', 'whose paths')
    .requiredOption('--customer <name>', 'whose terminals and links')
    .action(routes);
}

async function routes({ from, customer, ...options }: RoutesOptions): Promise<void> {
  const status = await withControl(options, (control) => control.call('bus.status', {}));
  const rows = routeRows(status, customer, from);
  printResult(options.json, { from, customer, routes: rows }, () => routesText(rows));
}

/** E_UNKNOWN_NOUN when the site is none, has not reported, or has no terminal of the customer. */
function routeRows({ sites, names }: Status, customer: string, from: string): RouteRow[] {
  const reported = sites.find(({ name }) => name === from)?.report?.routes ?? [];
  const siteOf = (terminalId: string): string => (names[terminalId] ?? terminalId).replace(/^.*@/, '');
  const own = reported.filter(({ customerId }) => names[customerId] === customer);
  if (own.length === 0) {
    throw new BusError('E_UNKNOWN_NOUN', `no paths of customer ${customer} are reported from site ${from}`);
  }
  return own
    .map(({ terminalId, path, cost, isWhole, rttMs, recordAgeMs }) => ({
      to: siteOf(terminalId),
      path: path?.map(siteOf) ?? null,
      cost,
      isWhole,
      rttMs,
      recordAgeMs,
    }))
    .sort((a, b) => (a.to < b.to ? -1 : 1));
}

function routesText(rows: readonly RouteRow[]): string {
  const lines = rows.map((row) => [
    row.to,
    row.path?.join(' -> ') ?? 'none',
    row.cost === null ? '-' : String(Number(row.cost.toFixed(3))),
    row.path === null ? '-' : row.isWhole ? 'yes' : 'no: parts of it are down',
    row.rttMs === 0 ? '-' : `${row.rttMs} ms`,
    row.recordAgeMs === null ? 'never' : `${durationText(row.recordAgeMs)} ago`,
  ]);
  return table([['TO', 'PATH', 'COST', 'WHOLE', 'RTT', 'HEARD OF'], ...lines]);
}
