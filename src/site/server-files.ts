/**
 * What nats-server is started with: the fixed part (operator token, SYS, CTL, BUS) and the plan the last apply left behind
 * (remotes, limits). Whoever starts the server, sidecar or an outside runner, renders the same configuration from them.
 */
import { readFileSync } from 'node:fs';
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
  writeFileAtomic,
} from '../trust/index.ts';
import { fixedAccounts } from './accounts.ts';
import type { SiteDir } from './dir.ts';
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
const startFile = 'nats/started-with.json';

/** Starts or adopts the site's server and returns when it is healthy; needs no sidecar and no control plane. */
export async function startSiteServer(options: {
  dir: SiteDir;
  log: Logger;
  find?: FindOptions;
  signal?: AbortSignal;
}): Promise<RunningServer> {
  // several sidecars of the site may find it gone at once
  return withLock(options.dir.at('nats/start.lock'), () => startOrAdopt(options));
}

/** Ends the site's server where it runs, and starts it: nobody can connect before its streams and consumers are back. */
export async function restartSiteServer(options: Parameters<typeof startSiteServer>[0]): Promise<void> {
  const { dir } = options;
  await withLock(dir.at('nats/start.lock'), async () => {
    await findRunning({ dir: dir.at('nats'), configPath: serverConfigPath(dir) })?.stop();
    await startOrAdopt(options);
  });
}

/** Ends the site's server where it runs; answers whether it did. E_SIDECAR_RUNNING while a sidecar would start it again. */
export async function stopSiteServer(dir: SiteDir): Promise<boolean> {
  const lock = await dir.lock();
  try {
    return await withLock(dir.at('nats/start.lock'), async () => {
      const running = findRunning({ dir: dir.at('nats'), configPath: serverConfigPath(dir) });
      await running?.stop();
      return running !== undefined;
    });
  } finally {
    await lock.release();
  }
}

async function startOrAdopt(options: Parameters<typeof startSiteServer>[0]): Promise<RunningServer> {
  const { dir, log, signal } = options;
  const place = { dir: dir.at('nats'), configPath: serverConfigPath(dir) };
  const { path } = await findServer(options.find);
  if (!findRunning(place)) {
    const plan = (await readPlan(dir)) ?? barePlan(dir);
    await dir.writeJson(startFile, startSettingsOf(plan));
    await writeServerConfig(dir, plan);
  }
  return ensureServer({ binary: path, ...place, log, ...(signal ? { signal } : {}) });
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

/** What the server that runs was started with. */
export async function readStartSettings(dir: SiteDir): Promise<StartSettings> {
  return startSettingsOf((await dir.readJson<StartSettings>(startFile)) ?? barePlan(dir));
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

function serverConfigPath(dir: SiteDir): string {
  return dir.at('nats/server.conf');
}

/** Renders the configuration for the plan and returns its text. */
export async function writeServerConfig(
  dir: SiteDir,
  plan: ServerPlan,
  { withoutControl = false } = {},
): Promise<string> {
  const controlCreds = await writeControlCreds(dir);
  const { operatorJwt, preload, systemAccount, controlAccount } = await fixedTokens(dir);
  const controlUrls = withoutControl ? [] : dialledControlUrls(dir, plan);
  const proxy = dir.file.proxy ?? plan.proxy;
  const control = { urls: controlUrls, account: controlAccount, credsFile: controlCreds, proxy };
  const text = renderSiteConfig({
    serverName: dir.file.siteId,
    listen: dir.file.listen,
    monitor: dir.file.monitor,
    leafListen: plan.hasLeafListener ? (dir.file.leafListen ?? undefined) : undefined,
    websocketListen: plan.hasWebsocketListener ? dir.file.websocketListen : undefined,
    logFile: dir.at('nats/nats-server.log'),
    operatorJwt,
    systemAccount,
    preload,
    resolverDir: dir.at('nats/jwt'),
    tls: dir.tls,
    certificates: plan.certificates ?? [],
    maxPayload: largestMessageBytes,
    durability: plan.durability,
    storeDir: dir.at('nats/store'),
    ...(dir.file.maxStoreBytes === undefined ? {} : { maxStoreBytes: dir.file.maxStoreBytes }),
    remotes: [...(controlUrls.length > 0 ? [control] : []), ...plan.remotes],
  });
  await writeFileAtomic(serverConfigPath(dir), text);
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
  await writeFileAtomic(path, formatCreds(dir.file.controlUserJwt, await dir.key('control', 'user')));
  return path;
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
