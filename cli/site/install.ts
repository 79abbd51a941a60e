/** `mbus site install`: a systemd unit for the sidecar of a site. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { exampleText } from '../control-verb.ts';
import { siteDirOption } from '../options.ts';
import { installUnit, type UnitOptions, withUnitOptions } from '../unit.ts';

interface InstallOptions extends UnitOptions {
  dir: string;
}

export function addInstall(site: Command): void {
  withUnitOptions(site.command('install').addOption(siteDirOption()))
    .description("write a systemd unit that runs the site's sidecar, which looks after its nats-server")
    .addHelpText('after', exampleText(['mbus site install --dir /var/lib/mbus-site --monitor 127.0.0.1:9090']))
    .action(install);
}

/** E_SITE_DIR */
async function install(options: InstallOptions): Promise<void> {
  const { openSiteDir } = await import('../../src/site/index.ts');
  const { file, path: dir } = await openSiteDir(options.dir);
  const { user, monitor } = options;
  const command = ['sidecar', 'run', '--dir', resolve(dir), ...(monitor === undefined ? [] : ['--monitor', monitor])];
  const description = `MessageBus, sidecar of ${file.site}`;
  await installUnit({ name: `mbus-site-${file.site}`, description, command, dir, user }, options);
}
