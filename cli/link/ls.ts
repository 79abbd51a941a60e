/** `mbus link ls`: the declared links. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, readBus } from '../control-verb.ts';
import { ofCustomer } from '../of-customer.ts';
import { printResult, table } from '../output.ts';

export function addLs(link: Command): void {
  controlVerb(link, 'ls [customer]', 'list the links', ['mbus link ls acme']).action(ls);
}

async function ls(customer: string | undefined, options: ControlOptions): Promise<void> {
  const links = ofCustomer(await readBus(options), customer).flatMap(({ name, links }) =>
    links.map((link) => ({ customer: name, ...link })),
  );
  const rows = links.map((l) => [
    l.customer,
    ...l.between,
    String(l.cost),
    l.via ?? '-',
    l.transport,
    l.proxy ?? '-',
    l.compress,
  ]);
  printResult(options.json, links, () =>
    table([['CUSTOMER', 'A', 'B', 'COST', 'VIA', 'TRANSPORT', 'PROXY', 'COMPRESS'], ...rows]),
  );
}
