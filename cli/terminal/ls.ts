/** `mbus terminal ls`: terminals with the links they have. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, readBus } from '../control-verb.ts';
import { ofCustomer } from '../of-customer.ts';
import { printResult, table } from '../output.ts';

export function addLs(terminal: Command): void {
  controlVerb(terminal, 'ls [customer]', 'list the terminals', ['mbus terminal ls acme']).action(ls);
}

async function ls(customer: string | undefined, options: ControlOptions): Promise<void> {
  const terminals = ofCustomer(await readBus(options), customer).flatMap(({ name, terminals, links }) =>
    terminals.map((site) => ({
      customer: name,
      site,
      links: links.flatMap(({ between }) =>
        between.includes(site) ? [between[0] === site ? between[1] : between[0]] : [],
      ),
    })),
  );
  const rows = terminals.map((t) => [`${t.customer}/${t.site}`, t.links.join(',') || '-']);
  printResult(options.json, terminals, () => table([['TERMINAL', 'LINKED WITH'], ...rows]));
}
