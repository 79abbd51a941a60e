/**
 * The control plane daemon, one replica: wiring, start, stop. Stateless over PostgreSQL; what it keeps on disk are its own
 * addresses, its certificate and, without DATABASE_URL, the embedded database. Killed at any point, the next start adopts
 * the nats-server and the PostgreSQL that it left behind.
 */
import { join, resolve } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { callerKeyFromSeed, readAdminFile, serveControl, writeAdminFile } from './api/index.ts';
import { type ListenOptions, type RunningConsole, serveConsole } from './console/index.ts';
import { readStatus } from './control/admin-handlers.ts';
import { Admins } from './control/admins.ts';
import { AuditWitness } from './control/audit-witness.ts';
import { Authorizer } from './control/authorize.ts';
import { connectDatabase } from './control/database.ts';
import { type ControlFile, readControlFile } from './control/dir.ts';
import { Dispatcher } from './control/dispatch.ts';
import { type ControlIdentity, loadIdentity } from './control/identity.ts';
import { keepKeys } from './control/key-upkeep.ts';
import { LabClock, requireLab } from './control/lab-clock.ts';
import { lockControl } from './control/lock.ts';
import { type MasterKey, type MasterKeySource, openMasterKey } from './control/master-key.ts';
import { type ControlMetrics, createControlMetrics } from './control/metrics.ts';
import { ControlNats } from './control/nats.ts';
import { publishNotices } from './control/notices.ts';
import { announce, keepReplica, leave } from './control/replicas.ts';
import { Revocations } from './control/revocations.ts';
import { SnapshotService } from './control/snapshots.ts';
import { adminUserJwt } from './control/users.ts';
import { errorText } from './errors.ts';
import { createKeyService, TopicRoots, type VersionContext } from './keys/service.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Logger } from './log.ts';
import { createMetrics, serveMonitoring } from './metrics.ts';
import { beat, databaseError, getBus, migrate, type Registry, type Replica, setMasterKeyId } from './registry/index.ts';
import { splitAddress } from './server/index.ts';
import { formatCreds, keyFromSeed, writeFileAtomic } from './trust/index.ts';
import { programVersion } from './version.ts';

export { backupControl, restoreControl, verifyControlBackup } from './control/backups.ts';
export { runMigrations } from './control/database.ts';
export { type InitControlOptions, initControl } from './control/dir.ts';
export { rewrapMasterKey } from './control/rewrap.ts';

export interface ControlOptions {
  /** made by initControl */
  dir: string;
  /** absent: embedded PostgreSQL in `dir` */
  databaseUrl?: string | undefined;
  /** absent: master.key in `dir` */
  masterKey?: MasterKeySource | undefined;
  /** host:port of /metrics, /healthz, /readyz, /status; default a free port of 127.0.0.1 */
  monitor?: string | undefined;
  /** where the console answers; absent: it does not */
  console?: (Pick<ListenOptions, 'tls' | 'url'> & { address: string }) | undefined;
  /** a lab's: says how far ahead the key service's clock is; refused where others than this machine can connect */
  clockFile?: string | undefined;
  log: Logger;
  /** how often to look whether the listeners' certificate is due, ms; default an hour */
  certificateEveryMs?: number;
  /** how long to wait for a database that does not answer at start, ms */
  databaseWaitMs?: number;
}

export interface RunningControl {
  readonly monitoringUrl: string;
  /** as browsers reach it */
  readonly consoleUrl: string | undefined;
  stop(deadlineMs?: number): Promise<void>;
}

/** Starts a replica and returns when it answers requests. E_DATABASE_*, E_MASTER_KEY, E_CONTROL_*, E_PORT_TAKEN, E_NATS_SERVER_*. */
export async function startControl(options: ControlOptions): Promise<RunningControl> {
  const lifecycle = new Lifecycle(options.log);
  try {
    return await start(options, lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

interface Parts {
  dir: string;
  file: ControlFile;
  masterKey: MasterKey;
  db: Registry;
  url: string;
  busId: string;
  identity: ControlIdentity;
  /** this replica's row */
  self: Omit<Replica, 'ageMs'>;
  nats: ControlNats;
  nc: NatsConnection;
  keyVersions: VersionContext;
  clock: LabClock;
  witness: AuditWitness;
  metrics: ControlMetrics;
  log: Logger;
}

/** What the replica says of itself. */
interface State {
  isDatabaseUp: boolean;
  version: number;
  replicas: Replica[];
}

async function start(options: ControlOptions, lifecycle: Lifecycle): Promise<RunningControl> {
  const { log } = options;
  const dir = resolve(options.dir);
  const file = await readControlFile(dir);
  if (options.clockFile !== undefined) requireLab([file.listen, file.leafListen]);
  lifecycle.push('lock', await lockControl(dir));
  const registry = createMetrics({ replica: file.replicaId });
  const { parts, state } = await openParts({ ...options, dir }, file, createControlMetrics(registry), lifecycle);
  await serveRequests(parts, lifecycle);
  await keepUp(parts, state, options, lifecycle);
  const page = options.console && (await openConsole(parts, options.console, lifecycle));
  const monitoring = await serveMonitoring(
    registry,
    monitoringOf(parts, state),
    listenAddress(options.monitor ?? '127.0.0.1:0'),
  );
  lifecycle.push('monitoring', () => monitoring.close());
  const { busId, self } = parts;
  log.info({ event: 'control.ready', busId, replicaId: self.id, monitoring: monitoring.url }, 'control plane ready');
  return { monitoringUrl: monitoring.url, consoleUrl: page?.url, stop: (deadlineMs) => lifecycle.stop(deadlineMs) };
}

/** Database, identity, nats-server and the connection to it. */
async function openParts(
  options: ControlOptions,
  file: ControlFile,
  metrics: ControlMetrics,
  lifecycle: Lifecycle,
): Promise<{ parts: Parts; state: State }> {
  const { dir, log } = options;
  const { db, url } = await connectDatabase(options, lifecycle);
  await migrate(db);
  const masterKey = await openMasterKey(db, dir, options.masterKey);
  const identity = await loadIdentity(db, masterKey.bytes);
  // it has opened what is stored: from now on the database tells whoever comes with another one
  await setMasterKeyId(db, masterKey.id, { onlyFirst: true });
  const { id: busId, version } = await getBus(db);
  const self = selfOf(file);
  const replicas = await announce({ db, self });
  const routes = routesOf(replicas, self.id);
  const nats = await ControlNats.start({ dir, file, identity, log, routes, signal: lifecycle.signal });
  lifecycle.push('nats-server', () => nats.stop());
  const nc = await nats.connect(identity.ctl, 'mbus-control');
  lifecycle.push('connection', () => nc.close());
  const clock = new LabClock();
  const { now } = clock;
  const keyVersions = { roots: new TopicRoots(masterKey, now), now };
  const witness = new AuditWitness({ db, dir, replicaId: self.id, keys: identity.keys, log });
  await witness.note();
  const parts = {
    dir,
    file,
    masterKey,
    db,
    url,
    busId,
    identity,
    self,
    nats,
    nc,
    keyVersions,
    clock,
    witness,
    metrics,
    log,
  };
  return { parts, state: { isDatabaseUp: true, version, replicas } };
}

async function serveRequests(parts: Parts, lifecycle: Lifecycle): Promise<void> {
  const { db, masterKey, busId, identity, nc, keyVersions, metrics, log } = parts;
  const admins = new Admins(db, masterKey);
  await completeAdmin(parts, admins);
  const signer = { publicKey: identity.keys.signKey, sign: identity.keys.sign };
  const dispatcher = new Dispatcher({
    db,
    busId,
    identity,
    authorizer: new Authorizer({ db, admins, log }),
    snapshots: new SnapshotService(db, identity.keys, identity.ca.certPem),
    keyService: createKeyService({ db, ...keyVersions, signer, log }),
    keyVersions,
    witness: parts.witness,
    log,
  });
  const service = await serveControl({
    nc,
    busId,
    keys: identity.keys,
    answer: (call) => dispatcher.answer(call),
    toBusError: databaseError,
    log,
    version: programVersion(),
    onDone: metrics.onRequest,
  });
  lifecycle.push('service', async () => void (await service.stop()));
}

/** What goes on beside the requests: heartbeats, notices, revocations. */
async function keepUp(
  parts: Parts,
  state: State,
  { clockFile, certificateEveryMs = 3_600_000 }: ControlOptions,
  lifecycle: Lifecycle,
): Promise<void> {
  const { db, url, self, nats, nc, keyVersions, clock, metrics, log } = parts;
  const revocations = new Revocations(parts);
  await revocations.follow();
  metrics.setVersion(state.version);
  const onVersion = (value: number): void => {
    state.version = value;
    metrics.setVersion(value);
    // told again with the next heartbeat when it fails
    revocations.follow().catch((err: unknown) => log.warn({ event: 'control.revocations-late', err }, errorText(err)));
  };
  const onReplicas = async (replicas: readonly Replica[]): Promise<void> => {
    state.replicas = [...replicas];
    metrics.setReplicas(replicas.length);
    await nats.setRoutes(routesOf(replicas, self.id));
    await revocations.follow();
  };
  const onDatabase = (isUp: boolean): void => {
    state.isDatabaseUp = isUp;
  };
  const background = new AbortController();
  const { signal } = background;
  const loops = Promise.all([
    keepReplica({ db, self, log, signal, onReplicas, onDatabase }),
    publishNotices({ url, nc, log, signal, onVersion }),
    keepKeys({ db, keyVersions, log, signal }),
    parts.witness.keep(signal),
    nats.keepCertificate(certificateEveryMs, signal),
    clockFile === undefined ? undefined : clock.follow(clockFile, signal),
  ]);
  lifecycle.push('loops', async () => {
    background.abort();
    await loops;
  });
  lifecycle.push('replica', () => leave(db, self.id));
}

/** Named in this replica's row, so that every replica can tell an operator where it is. */
async function openConsole(
  { db, self, log }: Parts,
  { address, ...options }: NonNullable<ControlOptions['console']>,
  lifecycle: Lifecycle,
): Promise<RunningConsole> {
  const page = await serveConsole({ ...listenAddress(address), ...options, db, readStatus: () => readStatus(db), log });
  lifecycle.push('console', () => page.close());
  self.consoleUrl = page.url;
  await beat(db, self);
  return page;
}

function monitoringOf({ nats, nc, busId, self, clock }: Parts, state: State): Parameters<typeof serveMonitoring>[1] {
  return {
    notReady: () => [
      ...(state.isDatabaseUp ? [] : ['the database does not answer']),
      ...(nats.isRunning ? [] : ['nats-server does not run']),
      ...(nc.isClosed() ? ['not connected to nats-server'] : []),
    ],
    status: () => ({
      busId,
      replicaId: self.id,
      version: state.version,
      replicas: state.replicas,
      leafUrl: self.leafUrl,
      ...(clock.aheadMs > 0 && { aheadMs: clock.aheadMs }),
    }),
  };
}

function selfOf(file: ControlFile): Omit<Replica, 'ageMs'> {
  return {
    id: file.replicaId,
    route: file.advertiseCluster,
    leafUrl: file.advertise,
    wsUrl: file.advertiseWebsocket ?? null,
    clientUrl: file.advertiseClient,
    consoleUrl: null,
  };
}

/** As given: a wildcard host stays one. */
export function listenAddress(address: string): { host: string; port: number } {
  const host = address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return { host, port: splitAddress(address).port };
}

function routesOf(replicas: readonly Replica[], self: string): string[] {
  return replicas.filter((replica) => replica.id !== self).map((replica) => replica.route);
}

/** Fills the directory's admin identity with what only a running control plane knows. */
async function completeAdmin({ dir, file, busId, identity }: Parts, admins: Admins): Promise<void> {
  const admin = await readAdminFile(dir);
  await admins.add(admin.id, callerKeyFromSeed(Buffer.from(admin.seed, 'base64url')).publicKey);
  const user = keyFromSeed('user', admin.userSeed, 'admin.json');
  const userJwt = await adminUserJwt(identity.ctl, admin.id, user.getPublicKey());
  const { signKey, sealKey } = identity.keys;
  const control = { busId, urls: [file.advertiseClient], caPem: identity.ca.certPem, signKey, sealKey, userJwt };
  await writeAdminFile(dir, { ...admin, control });
  await writeFileAtomic(join(dir, 'admin.creds'), formatCreds(userJwt, user));
}
