/** `mbus app creds`: copies an application's credential out of the directory of its site. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { BusError } from '../../src/errors.ts';
import { exampleText } from '../control-verb.ts';
import { writeSecretFile } from '../files.ts';
import { customerName } from '../full-names.ts';
import { type JsonOption, jsonOption } from '../options.ts';
import { printResult } from '../output.ts';

interface CredsOptions extends JsonOption {
  siteDir: string;
  out?: string;
}

export function addCreds(app: Command): void {
  app
    .command('creds <customer/app>')
    .description("copy an application's .creds out of its site's directory; the key was made there and is nowhere else")
    .requiredOption('--site-dir <dir>', "the directory of the app's site")
    .option('--out <file>', 'where to write it, mode 0600 (default: <app>.creds)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText(['mbus app creds acme/exchange --site-dir /var/lib/mbus-site --out exchange.creds']),
    )
    .action(creds);
}

async function creds(path: string, { siteDir, out, json }: CredsOptions): Promise<void> {
  const { customer, name } = customerName('app', path);
  const { appAccess, openSiteDir } = await import('../../src/site/index.ts');
  const site = await openSiteDir(siteDir);
  const target = out ?? `${name}.creds`;
  await writeSecretFile(target, await readCreds(site.credsPath(customer, name), path));
  const { url, caFile: ca } = await appAccess(site);
  const result = { app: path, site: site.file.site, creds: target, nats: url, ...(ca !== undefined && { ca }) };
  printResult(json, result, () => target);
}

async function readCreds(file: string, app: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const why = `this site has no credential for app ${app}: it appears once the site's sidecar has applied the app`;
    throw new BusError('E_UNKNOWN_NOUN', why, { cause });
  }
}
