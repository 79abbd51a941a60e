/** Joining a site: keys made here, one request with the token, then the directory is a site's. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { BusError } from '../../src/errors.ts';
import type { SiteDir } from '../../src/site/index.ts';
import { readTextFile } from '../files.ts';
import { collect, hostPort, proxyUrl, usage } from '../options.ts';
import { readToken, type TokenOption } from '../token.ts';

export interface JoinOptions extends TokenOption {
  dir: string;
  listen: string;
  leafListen?: string;
  websocketListen?: string;
  proxy?: string;
  proxyLoginFile?: string;
  controlTransport?: 'tcp' | 'ws';
  controlVia?: string[];
  monitor: string;
  clusterListen: string;
}

export function withJoinOptions(verb: Command): Command {
  return verb
    .option('--token-file <file>', 'the token; - for stdin (default: MBUS_TOKEN)')
    .option('--listen <host:port>', 'where nats-server takes applications; port 0: a free one', hostPort, '127.0.0.1:0')
    .option('--leaf-listen <host:port>', 'server mode: where it takes links of other sites', hostPort)
    .option('--websocket-listen <host:port>', 'server mode: where it takes links over WebSocket', hostPort)
    .option('--proxy <url>', 'HTTP proxy that joining, links and the control link go through', proxyUrl)
    .option('--proxy-login-file <file>', 'user:password for the proxy, in a file that only you can read')
    .addOption(
      new Option('--control-transport <how>', 'ws: join and reach the control plane over WebSocket').choices([
        'tcp',
        'ws',
      ]),
    )
    .option(
      '--control-via <url>',
      'host:port or wss://host:port to dial for the control link; may be repeated',
      collect,
    )
    .option('--monitor <host:port>', "nats-server's monitoring; keep it on loopback", hostPort, '127.0.0.1:0')
    .option(
      '--cluster-listen <host:port>',
      'a site with three nats-servers: where the first takes the others; they listen on the next ports',
      hostPort,
      '127.0.0.1:0',
    );
}

export function isSiteDir(dir: string): boolean {
  return existsSync(join(dir, 'site.json'));
}

/** Joins the site that the token names. E_EXISTS when `dir` is a site already; E_TOKEN_* as the control plane says. */
export async function joinSiteDir(options: JoinOptions): Promise<SiteDir> {
  const { dir, tokenFile: _, proxyLoginFile: __, clusterListen, ...place } = options;
  if (isSiteDir(dir)) throw new BusError('E_EXISTS', `${dir} is the directory of a joined site already`);
  const { joinSite, parseToken } = await import('../../src/api/index.ts');
  const { createSiteDir, prepareSiteDir, serversBeside } = await import('../../src/site/index.ts');
  const token = parseToken(await readToken(options));
  const { key, controlUser, csrPem } = await prepareSiteDir(dir, token.site);
  const proxy = await proxyWithLogin(options);
  const enrolment = await joinSite(token, { key, controlUser, csrPem }, { proxy, transport: options.controlTransport });
  const cluster = enrolment.servers === 3 ? serversBeside(place, clusterListen) : undefined;
  return createSiteDir({ path: dir, enrolment, ...place, proxy, cluster });
}

/** The proxy's URL with the login of --proxy-login-file, which is never an argument. */
async function proxyWithLogin({ proxy, proxyLoginFile }: JoinOptions): Promise<string | undefined> {
  if (proxyLoginFile === undefined) return proxy;
  if (proxy === undefined) throw usage('--proxy-login-file goes with --proxy');
  const [, user, password] = /^([^:\r\n]+):([^\r\n]*)\s*$/.exec(await readTextFile(proxyLoginFile)) ?? [];
  if (user === undefined || password === undefined) throw usage(`${proxyLoginFile} must hold one line, user:password`);
  const url = new URL(proxy);
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  return url.href.replace(/\/$/, '');
}
