/** `mbus diff`: what apply would change. */
import type { Command } from 'commander';
import type { BusFile, CustomerSpec } from '../../src/config/bus-file.ts';
import { changesText, isLabDir, lossesText, withControl } from '../control-verb.ts';
import { controlDir } from '../options.ts';
import { printResult } from '../output.ts';
import { type FileOptions, fileVerb, readBusFile } from './file.ts';

export function register(program: Command): void {
  fileVerb(program, 'diff', 'show what apply would change, and change nothing', ['mbus diff -f bus.yaml']).action(diff);
}

async function diff({ file, ...options }: FileOptions): Promise<void> {
  const { bus } = await readBusFile(file);
  const result = await withControl(options, async (control) => {
    const isLab = isLabDir(controlDir(options));
    const wanted = isLab ? withAddressesOf((await control.call('bus.export', {})).file, bus) : bus;
    return control.call('bus.diff', { file: wanted });
  });
  printResult(options.json, result, () => `${changesText(result.changes)}${lossesText(result.losses)}`);
}

/** A lab runs at addresses of its own, which are no difference. */
function withAddressesOf(current: BusFile, bus: BusFile): BusFile {
  const addresses = new Map(current.sites.map(({ name, address }) => [name, address]));
  return {
    sites: bus.sites.map((site) => ({ ...site, address: addresses.get(site.name) ?? site.address })),
    customers: bus.customers.map((customer) => {
      const known = current.customers.find(({ name }) => name === customer.name);
      return { ...customer, links: customer.links.map((link) => ({ ...link, via: viaOf(known, link.between) })) };
    }),
  };
}

function viaOf(customer: CustomerSpec | undefined, [a, b]: readonly [string, string]): string | undefined {
  return customer?.links.find(({ between }) => between.includes(a) && between.includes(b))?.via;
}
