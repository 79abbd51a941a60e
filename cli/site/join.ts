/** `mbus site join`: makes the directory of a site on the machine that will run it. */
import type { Command } from 'commander';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption, siteDirOption } from '../options.ts';
import { printResult } from '../output.ts';
import { type JoinOptions, joinSiteDir, withJoinOptions } from './enrol.ts';

export function addJoin(site: Command): void {
  withJoinOptions(site.command('join').addOption(siteDirOption()))
    .description('join a site with a token: makes its keys here, where they stay')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText([
        'mbus site join --dir /var/lib/mbus-site --token-file tokyo.token --leaf-listen 0.0.0.0:7422',
        'mbus sidecar run --dir /var/lib/mbus-site',
      ]),
    )
    .action(join);
}

async function join({ json, ...options }: JoinOptions & JsonOption): Promise<void> {
  const { file, path } = await joinSiteDir(options);
  const result = { site: file.site, dir: path, nats: `nats://${file.listen}`, leafListen: file.leafListen };
  printResult(json, result, () => `joined ${file.site}: start it with  mbus sidecar run --dir ${path}`);
}
