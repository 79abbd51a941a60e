/**
 * What nats-server is started with: the fixed part (operator token, SYS, CTL, BUS) and the plan the last apply left behind
 * (remotes, limits). Whoever starts the server, sidecar or an outside runner, renders the same configuration from them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  type CertificatePair,
  ensureServer,
  type FindOptions,
  findRunning,
  findServer,
  type LeafRemote,
  type RunningServer,
  renderSiteConfig,
  withLock,
} from '../server/index.ts';
import {
  encodeAccountJwt,
  encodeOperatorJwt,
  formatCreds,
  loadOrCreateSecret,
  readFileIfThere,
  writeFileAtomic,
} from '../trust/index.ts';
import { layAccounts } from './account-store.ts';
import { fixedAccounts } from './accounts.ts';
import type { SiteDir } from './dir.ts';
import { clusterOf, type ServerPlace, serverPlace, serverPlaces } from './places.ts';
import type { SiteFile } from './site-file.ts';

/**
 * The largest limit that any site may give its applications: such a message must fit through every other site. A site's
 * own limit stands on its capture streams.
 */
const largestMessageBytes = 8 * 1024 * 1024;

/** What of the configuration follows the snapshot. */
export interface ServerPlan {
  hasLeafListener: boolean;
  durability: 'process' | 'power';
  hasWebsocketListener?: boolean;
  /** host:port of the control plane's leaf listeners, wss://host:port of its WebSocket listeners */
  controlUrls: string[];
  /** proxy of the site as the bus declares it */
  proxy?: string | undefined;
  remotes: LeafRemote[];
  /** of the port where applications connect: none without TLS */
  certificates?: CertificatePair[];
}

/** Settings the server takes at its start only. */
export type StartSettings = Required<Pick<ServerPlan, 'hasLeafListener' | 'hasWebsocketListener' | 'durability'>>;

const planFile = 'nats/plan.json';
const startFile = 'started-with.json';

export interface StartOptions {
  dir: SiteDir;
  log: Logger;
  find?: FindOptions;
  signal?: AbortSignal;
  /** which of several; default the first */
  server?: number;
}

/** Starts or adopts a server of the site and returns when it is healthy; needs no sidecar and no control plane. */
export async function startSiteServer(options: StartOptions): Promise<RunningServer> {
  const place = serverPlace(options.dir, options.server ?? 1);
  // several sidecars of the site may find it gone at once
  return withLock(join(place.home, 'start.lock'), () => startOrAdopt(options, place));
}

/** Ends a server of the site where it runs, and starts it: nobody can connect before its streams and consumers are back. */
export async function restartSiteServer(options: StartOptions): Promise<void> {
  const place = serverPlace(options.dir, options.server ?? 1);
  await withLock(join(place.home, 'start.lock'), async () => {
    await findRunning({ dir: place.home, configPath: serverConfigPath(place) })?.stop();
    await startOrAdopt(options, place);
  });
}

/** Ends the site's servers, or one of them, where they run; answers whether any did. E_SIDECAR_RUNNING while a sidecar would start them again. */
export async function stopSiteServer(dir: SiteDir, server?: number): Promise<boolean> {
  const places = server === undefined ? serverPlaces(dir) : [serverPlace(dir, server)];
  const lock = await dir.lock();
  try {
    return (await Promise.all(places.map(stopPlace))).includes(true);
  } finally {
    await lock.release();
  }
}

function stopPlace(place: ServerPlace): Promise<boolean> {
  return withLock(join(place.home, 'start.lock'), async () => {
    const running = findRunning({ dir: place.home, configPath: serverConfigPath(place) });
    await running?.stop();
    return running !== undefined;
  });
}

async function startOrAdopt({ dir, log, signal, find }: StartOptions, place: ServerPlace): Promise<RunningServer> {
  const configPath = serverConfigPath(place);
  const { path } = await findServer(find);
  if (!findRunning({ dir: place.home, configPath })) {
    const plan = (await readPlan(dir)) ?? barePlan(dir);
    await writeFileAtomic(join(place.home, startFile), JSON.stringify(startSettingsOf(plan)));
    await writeServerConfig(dir, plan, place);
    if (place.clusterListen !== undefined) await layAccounts(dir, join(place.home, 'jwt'));
  }
  return ensureServer({
    binary: path,
    dir: place.home,
    configPath,
    log,
    isOneOfSeveral: place.clusterListen !== undefined,
    ...(signal ? { signal } : {}),
  });
}

/** What the last apply wanted; undefined before the first. */
export function readPlan(dir: SiteDir): Promise<ServerPlan | undefined> {
  return dir.readJson<ServerPlan>(planFile);
}

/** Keeps the plan for the next start of the server, whoever starts it. */
export function storePlan(dir: SiteDir, plan: ServerPlan): Promise<void> {
  return dir.writeJson(planFile, plan);
}

/** Whether the server asks who connects here for TLS, by the plan it is given; at once, for who is about to dial. */
export function asksForTls(dir: SiteDir): boolean {
  try {
    const plan = JSON.parse(readFileSync(dir.at(planFile), 'utf8')) as ServerPlan;
    return (plan.certificates ?? []).length > 0;
  } catch {
    return false;
  }
}

/** What a server that runs was started with. */
export async function readStartSettings(dir: SiteDir, place = serverPlace(dir, 1)): Promise<StartSettings> {
  const bytes = await readFileIfThere(join(place.home, startFile));
  return bytes === undefined ? startSettingsOf(barePlan(dir)) : (JSON.parse(bytes.toString('utf8')) as StartSettings);
}

/** What a declared class means here: left open, the machine's own word counts, else fsync where links come in. */
export function durabilityHere({ file }: SiteDir, declared: 'auto' | 'process' | 'power'): 'process' | 'power' {
  if (declared !== 'auto') return declared;
  return file.durability ?? (file.leafListen === null ? 'process' : 'power');
}

export function startSettingsOf({
  hasLeafListener,
  hasWebsocketListener = false,
  durability,
}: Pick<ServerPlan, keyof StartSettings>): StartSettings {
  return { hasLeafListener, hasWebsocketListener, durability };
}

function serverConfigPath({ home }: ServerPlace): string {
  return join(home, 'server.conf');
}

/** Renders one server's configuration for the plan and returns its text. */
export async function writeServerConfig(
  dir: SiteDir,
  plan: ServerPlan,
  place: ServerPlace,
  { withoutControl = false } = {},
): Promise<string> {
  const controlCreds = await writeControlCreds(dir);
  const { operatorJwt, preload, systemAccount, controlAccount } = await fixedTokens(dir);
  const controlUrls = withoutControl ? [] : dialledControlUrls(dir, plan);
  const proxy = dir.file.proxy ?? plan.proxy;
  const control = { urls: controlUrls, account: controlAccount, credsFile: controlCreds, proxy };
  const text = renderSiteConfig({
    serverName: place.name,
    listen: place.listen,
    monitor: place.monitor,
    leafListen: plan.hasLeafListener ? (place.leafListen ?? undefined) : undefined,
    websocketListen: plan.hasWebsocketListener ? place.websocketListen : undefined,
    logFile: join(place.home, 'nats-server.log'),
    operatorJwt,
    systemAccount,
    preload,
    resolverDir: join(place.home, 'jwt'),
    tls: dir.tls,
    certificates: plan.certificates ?? [],
    maxPayload: largestMessageBytes,
    durability: plan.durability,
    storeDir: join(place.home, 'store'),
    ...(dir.file.maxStoreBytes === undefined ? {} : { maxStoreBytes: dir.file.maxStoreBytes }),
    remotes: [...(controlUrls.length > 0 ? [control] : []), ...plan.remotes],
    cluster: await clusterOf(dir, place),
  });
  await writeIfOther(serverConfigPath(place), text);
  return text;
}

/** The declared proxy, with the login that site.json has for it. */
export function dialledProxy({ proxy }: SiteFile, declared: string | undefined): string | undefined {
  if (proxy === undefined || declared === undefined) return declared ?? proxy;
  return new URL(proxy).host === new URL(declared).host ? proxy : declared;
}

/** A remote dials by one transport only. */
function dialledControlUrls(dir: SiteDir, plan: ServerPlan): string[] {
  const wantsWebsocket = dir.file.controlTransport === 'ws';
  return dir.file.controlVia ?? plan.controlUrls.filter((url) => url.startsWith('wss://') === wantsWebsocket);
}

function barePlan(dir: SiteDir): ServerPlan {
  return {
    hasLeafListener: dir.file.leafListen !== null,
    hasWebsocketListener: dir.file.websocketListen !== undefined,
    durability: durabilityHere(dir, 'auto'),
    controlUrls: dir.file.control.leafUrls,
    remotes: [],
  };
}

async function writeControlCreds(dir: SiteDir): Promise<string> {
  const path = dir.at('nats/leaf/control.creds');
  await writeIfOther(path, formatCreds(dir.file.controlUserJwt, await dir.key('control', 'user')));
  return path;
}

async function writeIfOther(path: string, text: string): Promise<void> {
  if ((await readFileIfThere(path))?.toString('utf8') !== text) await writeFileAtomic(path, text);
}

/** Encoded once and kept: the server refuses a reload when the operator's token has other bytes. */
async function fixedTokens(dir: SiteDir) {
  const operator = await dir.key('operator', 'operator');
  const text = async (name: string, make: () => Promise<string>): Promise<string> => {
    const bytes = await loadOrCreateSecret(dir.at('nats/fixed', `${name}.jwt`), async () => Buffer.from(await make()));
    return bytes.toString('utf8');
  };
  const preload: Record<string, string> = {};
  const publicKeys = new Map<string, string>();
  for (const { key, claims } of fixedAccounts) {
    const account = (await dir.key(key, 'account')).getPublicKey();
    publicKeys.set(key, account);
    preload[account] = await text(key, () => encodeAccountJwt(claims, account, operator));
  }
  const [systemAccount, controlAccount] = [publicKeys.get('SYS'), publicKeys.get('CTL')];
  if (!systemAccount || !controlAccount) throw new BusError('E_INTERNAL', 'the fixed accounts lack SYS or CTL');
  const operatorJwt = await text('operator', () => encodeOperatorJwt(dir.file.site, operator, systemAccount));
  return { operatorJwt, preload, systemAccount, controlAccount };
}
