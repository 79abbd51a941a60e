/** `mbus app ls`: the applications with their rights. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, readBus } from '../control-verb.ts';
import { ofCustomer } from '../of-customer.ts';
import { printResult, table } from '../output.ts';

export function addLs(app: Command): void {
  controlVerb(app, 'ls [customer]', 'list the applications', ['mbus app ls acme']).action(ls);
}

async function ls(customer: string | undefined, options: ControlOptions): Promise<void> {
  const apps = ofCustomer(await readBus(options), customer).flatMap(({ name, apps }) =>
    apps.map((app) => ({ customer: name, ...app })),
  );
  const rows = apps.map((a) => [
    `${a.customer}/${a.name}`,
    a.terminal,
    a.publish.join(',') || '-',
    a.consume.join(',') || '-',
    a.deadLetters.join(',') || '-',
  ]);
  printResult(options.json, apps, () =>
    table([['APP', 'TERMINAL', 'PUBLISHES', 'CONSUMES', 'DEAD LETTERS OF'], ...rows]),
  );
}
