/** Joining a site: keys made here, one request with the token, then the directory is a site's. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { BusError } from '../../src/errors.ts';
import type { SiteDir } from '../../src/site/index.ts';
import { hostPort } from '../options.ts';
import { readToken, type TokenOption } from '../token.ts';

export interface JoinOptions extends TokenOption {
  dir: string;
  listen: string;
  leafListen?: string;
  monitor: string;
}

export function withJoinOptions(verb: Command): Command {
  return verb
    .option('--token-file <file>', 'the token; - for stdin (default: MBUS_TOKEN)')
    .option('--listen <host:port>', 'where nats-server takes applications; port 0: a free one', hostPort, '127.0.0.1:0')
    .option('--leaf-listen <host:port>', 'server mode: where it takes links of other sites', hostPort)
    .option('--monitor <host:port>', "nats-server's monitoring; keep it on loopback", hostPort, '127.0.0.1:0');
}

export function isSiteDir(dir: string): boolean {
  return existsSync(join(dir, 'site.json'));
}

/** Joins the site that the token names. E_EXISTS when `dir` is a site already; E_TOKEN_* as the control plane says. */
export async function joinSiteDir(options: JoinOptions): Promise<SiteDir> {
  const { dir, listen, leafListen, monitor } = options;
  if (isSiteDir(dir)) throw new BusError('E_EXISTS', `${dir} is the directory of a joined site already`);
  const { joinSite, parseToken } = await import('../../src/api/index.ts');
  const { createSiteDir, prepareSiteDir } = await import('../../src/site/index.ts');
  const token = parseToken(await readToken(options));
  const { key, controlUser, csrPem } = await prepareSiteDir(dir, token.site);
  const enrolment = await joinSite(token, { key, controlUser, csrPem });
  return createSiteDir({ path: dir, listen, monitor, enrolment, ...(leafListen !== undefined && { leafListen }) });
}
