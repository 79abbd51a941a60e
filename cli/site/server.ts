/** `mbus site server`: starts a site's nats-server, without sidecar or control plane, and leaves it running; or ends it. */
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { createLogger } from '../../src/log.ts';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption, siteDirOption } from '../options.ts';
import { printResult, talk } from '../output.ts';

interface ServerOptions extends JsonOption {
  dir: string;
  stop?: boolean;
}

export function addServer(site: Command): void {
  site
    .command('server')
    .description("start a site's nats-server and leave it running; one that runs already is left alone")
    .addOption(siteDirOption())
    .option('--stop', 'end it instead; refused while a sidecar runs, which would start it again')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText(['mbus site server --dir /var/lib/mbus-site', 'mbus site server --dir /var/lib/mbus-site --stop']),
    )
    .action((options: ServerOptions) => (options.stop === true ? stop(options) : start(options)));
}

async function stop({ dir, json }: ServerOptions): Promise<void> {
  const { openSiteDir, stopSiteServer } = await import('../../src/site/index.ts');
  const site = await openSiteDir(dir);
  const wasRunning = await stopSiteServer(site);
  printResult(json, { site: site.file.site, wasRunning }, () =>
    wasRunning ? `nats-server of ${site.file.site} is stopped` : `nats-server of ${site.file.site} does not run`,
  );
}

async function start({ dir, json }: ServerOptions): Promise<void> {
  const { openSiteDir, startSiteServer } = await import('../../src/site/index.ts');
  const site = await openSiteDir(dir);
  const { logLevel } = readEnv();
  const log = createLogger('site-server', logLevel === 'info' ? 'warn' : logLevel);
  const running = await startSiteServer({ dir: site, log, find: { onProgress: talk } });
  const result = {
    site: site.file.site,
    pid: running.pid,
    nats: `nats://${site.file.listen}`,
    wasRunning: running.wasAdopted,
  };
  printResult(json, result, () => `nats-server of ${result.site} runs (pid ${result.pid}) at ${result.nats}`);
}
