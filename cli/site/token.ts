/** `mbus site token`: a one-time token to join a site with. */
import type { Command } from 'commander';
import { checkName } from '../../src/config/names.ts';
import { type ControlOptions, controlVerb } from '../control-verb.ts';
import { printToken } from '../token.ts';

export function addToken(site: Command): void {
  controlVerb(site, 'token <name>', 'print a token to join the site with: single use, 15 minutes', [
    'mbus site token tokyo > tokyo.token',
    'mbus site token tokyo | ssh tokyo mbus site join --dir /var/lib/mbus-site --token-file -',
  ])
    .option('--out <file>', 'write it to a file of mode 0600 instead of stdout')
    .action(token);
}

async function token(site: string, { out, ...options }: ControlOptions & { out?: string }): Promise<void> {
  await printToken(options, { site: checkName('site', site) }, out);
}
