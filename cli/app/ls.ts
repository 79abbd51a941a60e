/** `mbus app ls`: the applications with their rights, and when the credential that its site has for each ends. */
import type { Command } from 'commander';
import type { ResponseOf } from '../../src/api/methods.ts';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { ofCustomer } from '../of-customer.ts';
import { printResult, table } from '../output.ts';

export function addLs(app: Command): void {
  controlVerb(app, 'ls [customer]', 'list the applications', ['mbus app ls acme']).action(ls);
}

async function ls(customer: string | undefined, options: ControlOptions): Promise<void> {
  const { file, ends } = await withControl(options, async (control) => ({
    file: (await control.call('bus.export', {})).file,
    ends: endsOf(await control.call('bus.status', {})),
  }));
  const apps = ofCustomer(file, customer).flatMap(({ name, apps }) =>
    apps.map((app) => ({ customer: name, ...app, credentialEnds: ends.get(`${name}/${app.name}`) ?? null })),
  );
  const rows = apps.map((a) => [
    `${a.customer}/${a.name}`,
    a.terminal,
    a.publish.join(',') || '-',
    a.consume.join(',') || '-',
    a.deadLetters.join(',') || '-',
    a.credentialEnds ?? (a.credentialLifeMs === undefined ? 'never' : '-'),
  ]);
  printResult(options.json, apps, () =>
    table([['APP', 'TERMINAL', 'PUBLISHES', 'CONSUMES', 'DEAD LETTERS OF', 'CREDENTIAL ENDS'], ...rows]),
  );
}

/** As the sites reported them, in UTC, by customer/app. */
function endsOf({ sites, names }: ResponseOf<'bus.status'>): Map<string, string> {
  const reported = sites.flatMap(({ report }) => report?.apps ?? []);
  return new Map(
    reported.flatMap(({ appId, endsMs }) => {
      const name = names[appId];
      return name === undefined || endsMs === null ? [] : [[name, new Date(endsMs).toISOString()] as const];
    }),
  );
}
