/**
 * A replica's own nats-server: sites' leaf links and admins come in here, the other replicas' servers form a cluster with
 * it. It is kept running: when it ends it is started again, and when the set of replicas changes its routes follow.
 */
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { connectControl, controlCertificatePrefix } from '../api/index.ts';
import { backoffMs } from '../backoff.ts';
import { systemClock } from '../clock.ts';
import { errorText } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  ensureServer,
  findServer,
  type RunningServer,
  reloadServer,
  renderControlConfig,
  splitAddress,
  systemRequest,
} from '../server/index.ts';
import {
  certificateNames,
  createCsr,
  issueCertificate,
  readCertificate,
  readFileIfThere,
  writeFileAtomic,
} from '../trust/index.ts';
import type { ControlFile } from './dir.ts';
import type { AccountIdentity, ControlIdentity } from './identity.ts';
import { ownUser } from './users.ts';

const certificateDays = 365;
const renewBeforeMs = 60 * 24 * 3600 * 1000;

export interface ControlNatsOptions {
  dir: string;
  file: ControlFile;
  identity: ControlIdentity;
  log: Logger;
  /** cluster addresses of the other replicas */
  routes: string[];
  signal: AbortSignal;
}

export class ControlNats {
  readonly #options: ControlNatsOptions;
  readonly #binary: string;
  #server: RunningServer;
  #routes: string[];
  #cancelWatch: () => void = () => undefined;
  #isStopping = false;

  private constructor(options: ControlNatsOptions, binary: string, server: RunningServer) {
    this.#options = options;
    this.#binary = binary;
    this.#server = server;
    this.#routes = options.routes;
    this.#watch();
  }

  /** Starts the server, or adopts the one a killed process left behind. E_PORT_TAKEN, E_NATS_SERVER_*. */
  static async start(options: ControlNatsOptions): Promise<ControlNats> {
    const found = await findServer({ onProgress: (line) => options.log.info({ event: 'server.find' }, line) });
    await ensureCertificate(options);
    await writeConfig(options, options.routes);
    const nats = new ControlNats(options, found.path, await runServer(options, found.path));
    if (nats.#server.wasAdopted) await nats.#reload();
    return nats;
  }

  get isRunning(): boolean {
    return this.#server.isRunning();
  }

  get pid(): number {
    return this.#server.pid;
  }

  /** A connection of this process to its own server; comes back by itself for ever. */
  async connect(account: AccountIdentity, name: string): Promise<NatsConnection> {
    const { file, identity } = this.#options;
    const { host, port } = splitAddress(file.listen);
    const user = await ownUser(account, name);
    const urls = [host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`];
    return connectControl({ urls, caPem: identity.ca.certPem, ...user, name }, { isForever: true });
  }

  /** Follows a change of the other replicas' addresses, without a restart. */
  async setRoutes(routes: string[]): Promise<void> {
    if (routes.join() === this.#routes.join()) return;
    this.#routes = routes;
    await writeConfig(this.#options, routes);
    if (this.isRunning) await this.#reload();
  }

  /** Looks now and then whether the listeners' certificate is due; connections stay, new ones get the new one. */
  async keepCertificate(everyMs: number, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    while (!signal.aborted) {
      await systemClock.sleep(everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        if (!(await ensureCertificate(this.#options))) continue;
        if (this.isRunning) await this.#reload();
        log.info({ event: 'certificate.renewed' }, 'the certificate is renewed');
      } catch (error) {
        log.warn({ event: 'certificate.not-renewed', err: error }, errorText(error));
      }
    }
  }

  /** Makes the server take a newer token of an account; connections it revokes are closed. */
  async updateAccount(jwt: string): Promise<void> {
    await this.#asSystem(async (system) => void (await systemRequest(system, () => '$SYS.REQ.CLAIMS.UPDATE', jwt)));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelWatch();
    await this.#server.stop();
  }

  #watch(): void {
    this.#cancelWatch = this.#server.onExit(() => void this.#restart());
  }

  async #restart(): Promise<void> {
    const { log, signal } = this.#options;
    if (this.#isStopping) return;
    log.error({ event: 'server.ended' }, 'nats-server ended; starting it again');
    for (let attempt = 1; !this.#isStopping; attempt++) {
      try {
        this.#server = await runServer(this.#options, this.#binary);
        return this.#isStopping ? await this.#server.stop() : this.#watch();
      } catch (error) {
        log.error({ event: 'server.start-failed', err: error }, errorText(error));
        await systemClock.sleep(backoffMs(attempt, 200, 5_000), signal).catch(() => undefined);
      }
    }
  }

  #reload(): Promise<void> {
    return this.#asSystem(reloadServer);
  }

  async #asSystem(work: (system: NatsConnection) => Promise<void>): Promise<void> {
    const system = await this.connect(this.#options.identity.system, 'mbus-control system');
    try {
      await work(system);
    } finally {
      await system.close();
    }
  }
}

function runServer({ dir, log, signal }: ControlNatsOptions, binary: string): Promise<RunningServer> {
  return ensureServer({ binary, configPath: configPath(dir), dir: join(dir, 'nats'), log, signal });
}

async function writeConfig({ dir, file, identity }: ControlNatsOptions, routes: string[]): Promise<void> {
  const text = renderControlConfig({
    serverName: `control-${file.replicaId}`,
    listen: file.listen,
    monitor: file.natsMonitor,
    logFile: join(dir, 'nats', 'nats-server.log'),
    operatorJwt: identity.operatorJwt,
    systemAccount: identity.system.id,
    resolverDir: join(dir, 'nats', 'jwt'),
    preload: { [identity.system.id]: identity.system.jwt, [identity.ctl.id]: identity.ctl.jwt },
    tls: { certFile: certPath(dir), keyFile: keyPath(dir), caFile: join(dir, 'tls', 'ca.pem') },
    leafListen: file.leafListen,
    websocketListen: file.websocketListen,
    clusterName: 'mbus-control',
    clusterListen: file.clusterListen,
    clusterSecret: identity.clusterSecret,
    routes,
  });
  await writeFileAtomic(configPath(dir), text);
}

/** The listeners' certificate: names of every address somebody dials, renewed well before it ends. True: it is another one. */
async function ensureCertificate({ dir, file, identity }: ControlNatsOptions): Promise<boolean> {
  const names = certificateNames([
    ...[file.listen, file.leafListen, file.clusterListen].map(dialledAddress),
    file.advertise,
    file.advertiseClient,
    file.advertiseCluster,
    file.advertiseWebsocket ?? null,
  ]);
  await writeFileAtomic(join(dir, 'tls', 'ca.pem'), identity.ca.certPem, 0o644);
  const present = (await readFileIfThere(certPath(dir)))?.toString('utf8');
  if (present && isStillGood(present, names)) return false;
  const keyPem = (await readFileIfThere(keyPath(dir)))?.toString('utf8');
  const commonName = `${controlCertificatePrefix}${file.replicaId}`;
  const csr = await createCsr({ commonName, ...(keyPem !== undefined && { keyPem }) });
  const certPem = issueCertificate({ ca: identity.ca, csrPem: csr.csrPem, commonName, names, days: certificateDays });
  await writeFileAtomic(keyPath(dir), csr.keyPem);
  await writeFileAtomic(certPath(dir), certPem, 0o644);
  return true;
}

function isStillGood(certPem: string, names: string[]): boolean {
  const info = readCertificate(certPem);
  return info.notAfterMs - Date.now() > renewBeforeMs && names.every((name) => info.names.includes(name));
}

function dialledAddress(address: string): string {
  const { host, port } = splitAddress(address);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function configPath(dir: string): string {
  return join(dir, 'nats', 'server.conf');
}

function certPath(dir: string): string {
  return join(dir, 'tls', 'cert.pem');
}

function keyPath(dir: string): string {
  return join(dir, 'tls', 'key.pem');
}
