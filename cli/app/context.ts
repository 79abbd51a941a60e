/** `mbus app context`: a context of the `nats` command line for an application, so that its own tools can be used. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { BusError } from '../../src/errors.ts';
import { writeFileAtomic } from '../../src/trust/index.ts';
import { exampleText } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { type JsonOption, jsonOption } from '../options.ts';
import { printResult } from '../output.ts';

interface ContextOptions extends JsonOption {
  siteDir: string;
  contextDir?: string;
}

export function addContext(app: Command): void {
  app
    .command('context <customer/app>')
    .description('write a context for the nats command line: nats --context CUSTOMER-APP')
    .requiredOption('--site-dir <dir>', "the directory of the app's site")
    .option('--context-dir <dir>', 'where contexts lie (default: nats/context under XDG_CONFIG_HOME, else ~/.config)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText([
        'mbus app context acme/exchange --site-dir /var/lib/mbus-site',
        'nats --context acme-exchange pub trade hello',
      ]),
    )
    .action(context);
}

/** E_SITE_DIR, E_UNKNOWN_NOUN when the site has no credential of the app. */
async function context(path: string, options: ContextOptions): Promise<void> {
  const { siteDir, contextDir, json } = options;
  const { customer, name } = customerName('app', path);
  const { appAccess, openSiteDir } = await import('../../src/site/index.ts');
  const site = await openSiteDir(siteDir);
  const creds = resolve(site.credsPath(customer, name));
  await readFile(creds).catch((cause: unknown) => {
    throw new BusError('E_UNKNOWN_NOUN', `this site has no credential for app ${path}`, { cause });
  });
  const { url, caFile: ca } = await appAccess(site);
  const description = `${path} at ${site.file.site}`;
  const file = join(contextDir ?? join(dirname(readEnv().configDir), 'nats', 'context'), `${customer}-${name}.json`);
  const tls = ca !== undefined && { ca };
  const text = { description, url, creds, ...tls };
  await writeFileAtomic(file, `${JSON.stringify(text, null, 2)}\n`);
  printResult(
    json,
    { context: `${customer}-${name}`, file, url, creds, ...tls },
    () => `${file}\nuse it: nats --context ${customer}-${name} …`,
  );
}
