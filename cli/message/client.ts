/**
 * A plain application at the command line: connects to a site's nats-server with nothing but URL and credential, as any
 * NATS client would. Either both are given, or a lab's or a site's directory and the name of the app.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Command } from 'commander';
import { printable } from '../../src/config/names.ts';
import { BusError, errorText } from '../../src/errors.ts';
import { readBytes } from '../files.ts';
import { customerName } from '../full-names.ts';
import { controlDir, usage } from '../options.ts';

export interface AppOptions {
  server?: string;
  creds?: string;
  ca?: string;
  dir?: string;
  app?: string;
}

export function withAppOptions(verb: Command): Command {
  return verb
    .option('--server <url>', "URL of the site's nats-server")
    .option('--creds <file>', "the app's .creds file")
    .option('--ca <file>', 'where the server shows a certificate that this machine does not trust: its CA')
    .option('--dir <dir>', "instead of both: a lab's or a site's directory, together with --app (default: MBUS_DIR)")
    .option('--app <customer/app>', 'which app to be');
}

interface Place {
  server: string;
  credsFile: string;
  /** whose certificates to trust */
  caFile?: string;
}

/** Connects, runs `work`, closes. E_SERVER_AWAY, E_APP_REFUSED. */
export async function withApp<T>(options: AppOptions, work: (nc: NatsConnection) => Promise<T>): Promise<T> {
  const place = await findPlace(options);
  const nc = await connectApp(place);
  try {
    return await work(nc);
  } finally {
    await nc.drain().catch(() => nc.close());
  }
}

/** Rejects as soon as the server says that a right is missing: requests themselves would only time out. */
export async function untilRefused(nc: NatsConnection): Promise<never> {
  for await (const status of nc.status()) {
    if (status.type !== 'error') continue;
    throw new BusError('E_APP_REFUSED', errorText(status.error), { cause: status.error });
  }
  throw new BusError('E_SERVER_AWAY', 'the connection to nats-server was closed');
}

async function connectApp({ server, credsFile, caFile }: Place): Promise<NatsConnection> {
  const { connect, credsAuthenticator, errors } = await import('@nats-io/transport-node');
  const creds = await readBytes(credsFile);
  try {
    return await connect({
      servers: server,
      authenticator: credsAuthenticator(creds),
      name: 'mbus',
      ...(caFile !== undefined && { tls: { caFile } }),
    });
  } catch (cause) {
    const isRefused =
      cause instanceof errors.AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError;
    const code = isRefused ? 'E_APP_REFUSED' : 'E_SERVER_AWAY';
    throw new BusError(code, `${server}: ${errorText(cause)}`, { cause });
  }
}

async function findPlace({ server, creds, ca, dir, app }: AppOptions): Promise<Place> {
  const trusted = ca !== undefined && { caFile: ca };
  if (server !== undefined && creds !== undefined) return { server, credsFile: creds, ...trusted };
  if (app === undefined) throw usage('give --server and --creds, or --dir of a lab or a site and --app');
  const root = controlDir({ dir });
  const place = existsSync(join(root, 'lab.json')) ? await findInLab(root, app) : await findInSite(root, app);
  if (existsSync(place.credsFile))
    return { ...place, server: server ?? place.server, credsFile: creds ?? place.credsFile, ...trusted };
  throw new BusError('E_UNKNOWN_NOUN', `there is no credential for app ${printable(app)} in ${root}`);
}

async function findInSite(dir: string, app: string): Promise<Place> {
  const { customer, name } = customerName('app', app);
  const { appAccess, openSiteDir } = await import('../../src/site/index.ts');
  const site = await openSiteDir(dir);
  const { url, caFile } = await appAccess(site);
  return { server: url, credsFile: site.credsPath(customer, name), ...(caFile !== undefined && { caFile }) };
}

async function findInLab(dir: string, app: string): Promise<Place> {
  const { customer, name } = customerName('app', app);
  const { readBus } = await import('../control-verb.ts');
  const apps = (await readBus({ dir })).customers.find((c) => c.name === customer)?.apps ?? [];
  const terminal = apps.find((a) => a.name === name)?.terminal;
  if (terminal === undefined) throw new BusError('E_UNKNOWN_NOUN', `there is no app ${printable(app)}`);
  return findInSite(join(dir, 'sites', terminal), app);
}
