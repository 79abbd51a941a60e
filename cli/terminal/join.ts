/** `mbus terminal join`: joins the site if that is still to do, and registers a terminal there with a token. */
import type { Command } from 'commander';
import { checkName } from '../../src/config/names.ts';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption, siteDirOption } from '../options.ts';
import { printResult } from '../output.ts';
import { isSiteDir, type JoinOptions, joinSiteDir, withJoinOptions } from '../site/enrol.ts';
import { readToken } from '../token.ts';

export function addJoin(terminal: Command): void {
  withJoinOptions(terminal.command('join <customer>').addOption(siteDirOption()))
    .description(
      "register a customer's terminal with a token, after its keys changed; joins the site when it has not yet",
    )
    .addOption(jsonOption())
    .addHelpText('after', exampleText(['mbus terminal join acme --dir /var/lib/mbus-site --token-file acme.token']))
    .action(join);
}

// A terminal that was never registered needs no token: the sidecar of a joined site does that by itself.
async function join(customer: string, { json, ...options }: JoinOptions & JsonOption): Promise<void> {
  const name = checkName('customer', customer);
  if (!isSiteDir(options.dir)) {
    const { file } = await joinSiteDir(options);
    const result = { site: file.site, customer: name, registered: false };
    return printResult(json, result, () => `joined ${file.site}; its sidecar registers ${name}/${file.site}`);
  }
  const { registerTerminal } = await import('../../src/terminal-registration.ts');
  const version = await registerTerminal({ dir: options.dir, customer: name, token: await readToken(options) });
  printResult(json, { customer: name, registered: true, version }, () => `registered the terminal of ${name}`);
}
