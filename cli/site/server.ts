/** `mbus site server`: starts a site's nats-server, without sidecar or control plane, and leaves it running; or ends it. */
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { createLogger } from '../../src/log.ts';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption, siteDirOption, wholeNumber } from '../options.ts';
import { printResult, talk } from '../output.ts';

interface ServerOptions extends JsonOption {
  dir: string;
  stop?: boolean;
  server?: number;
}

export function addServer(site: Command): void {
  site
    .command('server')
    .description("start a site's nats-server and leave it running; one that runs already is left alone")
    .addOption(siteDirOption())
    .option('--stop', 'end it instead; refused while a sidecar runs, which would start it again')
    .option('--server <number>', 'which of three (default: all that the site has)', wholeNumber(1, 3))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText(['mbus site server --dir /var/lib/mbus-site', 'mbus site server --dir /var/lib/mbus-site --stop']),
    )
    .action((options: ServerOptions) => (options.stop === true ? stop(options) : start(options)));
}

async function stop({ dir, json, server }: ServerOptions): Promise<void> {
  const { openSiteDir, stopSiteServer } = await import('../../src/site/index.ts');
  const site = await openSiteDir(dir);
  const wasRunning = await stopSiteServer(site, server);
  printResult(json, { site: site.file.site, wasRunning }, () =>
    wasRunning ? `nats-server of ${site.file.site} is stopped` : `nats-server of ${site.file.site} does not run`,
  );
}

async function start({ dir, json, server: only }: ServerOptions): Promise<void> {
  const { openSiteDir, serverPlace, serverPlaces, startSiteServer } = await import('../../src/site/index.ts');
  const site = await openSiteDir(dir);
  const { logLevel } = readEnv();
  const log = createLogger('site-server', logLevel === 'info' ? 'warn' : logLevel);
  const places = only === undefined ? serverPlaces(site) : [serverPlace(site, only)];
  const started = await Promise.all(
    places.map(async ({ number, listen }) => {
      const { pid, wasAdopted } = await startSiteServer({ dir: site, log, server: number, find: { onProgress: talk } });
      return { pid, nats: `nats://${listen}`, wasRunning: wasAdopted };
    }),
  );
  const name = site.file.site;
  const result = started.length === 1 ? { site: name, ...started[0] } : { site: name, servers: started };
  printResult(json, result, () =>
    started.map(({ pid, nats }) => `nats-server of ${name} runs (pid ${pid}) at ${nats}`).join('\n'),
  );
}
