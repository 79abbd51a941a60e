/**
 * A site's own directory (0700; secrets 0600). Everything that must outlive a process is here, and every file is replaced
 * as one step:
 *   site.json               ids, listen addresses, control plane          snapshot.json   last signed configuration
 *   keys/                   operator, accounts, request key, link users   tls/            certificate, key, CA
 *   nats/                   server configuration, tokens, JetStream       apps/<customer>/<app>.creds
 *   nats-2/ nats-3/         the same of further servers
 *   terminals/<terminal id>/securekey
 */

import { randomBytes } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import type { ResponseOf } from '../api/methods.ts';
import { BusError } from '../errors.ts';
import { splitAddress, type TlsFiles } from '../server/index.ts';
import {
  checkCertificate,
  createCsr,
  type KeyPair,
  loadOrCreateKey,
  loadOrCreateSecret,
  makeDirs,
  type NKeyKind,
  readFileIfThere,
  writeFileAtomic,
} from '../trust/index.ts';
import { lockSite, type SiteLock } from './lock.ts';
import { prepareCluster } from './places.ts';
import { type SiteFile, siteFileSchema } from './site-file.ts';
import { loadOrCreateSiteKey, type SiteKey } from './site-key.ts';

/** What a site sends to join; the private halves stay here. */
export interface SiteRequest {
  /** Ed25519 public, base64url */
  siteKey: string;
  /** U… */
  controlUser: string;
  csrPem: string;
}

export interface CreateSiteOptions {
  path: string;
  /** host:port; port 0 takes a free one and keeps it */
  listen: string;
  /** host:port; undefined in client mode */
  leafListen?: string | undefined;
  /** host:port of the WebSocket listener */
  websocketListen?: string | undefined;
  monitor?: string | undefined;
  /** http://host:port that everything this site dials goes through */
  proxy?: string | undefined;
  controlTransport?: 'tcp' | 'ws' | undefined;
  /** host:port or wss://host:port to dial instead of the control plane's own leaf listeners (NAT, proxy) */
  controlVia?: string[] | undefined;
  /** a site with three nats-servers: where the first takes the others' connections, and the others */
  cluster?: SiteFile['cluster'];
  /** where the bus leaves it open */
  durability?: 'process' | 'power' | undefined;
  enrolment: ResponseOf<'enrol.site'>;
}

/** The exact text that was signed, with its signature (base64url). */
export interface SignedText {
  text: string;
  signature: string;
}

/** Makes the keys of a site that wants to join; called again, it answers with the same. */
export async function prepareSiteDir(path: string, siteName: string): Promise<SiteRequest & { key: SiteKey }> {
  const dir = resolve(path);
  await makeDirs(join(dir, 'keys'));
  const key = await loadOrCreateSiteKey(join(dir, 'keys/request.key'));
  const controlUser = await loadOrCreateKey(join(dir, 'keys/control.nk'), 'user');
  const csrPem = await makeCsr(join(dir, 'tls/key.pem'), siteName);
  return { siteKey: key.publicKey, controlUser: controlUser.getPublicKey(), csrPem, key };
}

/** Writes site.json and the certificate after the control plane said yes; prepareSiteDir came first. */
export async function createSiteDir(options: CreateSiteOptions): Promise<SiteDir> {
  const path = resolve(options.path);
  const { enrolment } = options;
  const file: SiteFile = {
    format: 1,
    busId: enrolment.busId,
    siteId: enrolment.siteId,
    site: enrolment.site,
    listen: await withPort(options.listen),
    leafListen: options.leafListen === undefined ? null : await withPort(options.leafListen),
    monitor: await withPort(options.monitor ?? '127.0.0.1:0'),
    controlUserJwt: enrolment.controlUserJwt,
    control: enrolment.control,
    ...(options.websocketListen !== undefined && { websocketListen: await withPort(options.websocketListen) }),
    ...(options.proxy !== undefined && { proxy: options.proxy }),
    ...(options.controlTransport !== undefined && { controlTransport: options.controlTransport }),
    ...(options.controlVia !== undefined && { controlVia: options.controlVia }),
    ...(options.durability !== undefined && { durability: options.durability }),
    ...(options.cluster !== undefined && { cluster: await withClusterPorts(options.cluster) }),
  };
  const dir = new SiteDir(path, siteFileSchema.parse(file));
  await dir.storeCertificate(enrolment.certPem, enrolment.control.caPem);
  if (dir.file.cluster !== undefined) await prepareCluster(dir);
  await writeFileAtomic(join(path, 'site.json'), `${JSON.stringify(file, null, 2)}\n`);
  return dir;
}

/** E_SITE_DIR when the directory is not that of a joined site. */
export async function openSiteDir(path: string): Promise<SiteDir> {
  const full = resolve(path);
  const text = await readFileIfThere(join(full, 'site.json'));
  if (!text) throw new BusError('E_SITE_DIR', `${full} holds no site: run mbus site join --dir ${full}`);
  try {
    return new SiteDir(full, siteFileSchema.parse(JSON.parse(text.toString('utf8'))));
  } catch (cause) {
    throw new BusError('E_SITE_DIR', `${full}/site.json is damaged`, { cause });
  }
}

export class SiteDir {
  readonly path: string;
  #file: SiteFile;
  /** reading a key costs milliseconds */
  readonly #keys = new Map<string, Promise<KeyPair>>();

  constructor(path: string, file: SiteFile) {
    this.path = path;
    this.#file = Object.freeze(file);
  }

  get file(): SiteFile {
    return this.#file;
  }

  /** Only one process at a time may run the site, or have this seat of it. E_SIDECAR_RUNNING. */
  lock(seat?: number): Promise<SiteLock> {
    return lockSite(this.path, seat);
  }

  at(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  get tls(): TlsFiles {
    return { certFile: this.at('tls/cert.pem'), keyFile: this.at('tls/key.pem'), caFile: this.at('tls/ca.pem') };
  }

  /** A key of this site by its name, made at first use. */
  key(name: string, kind: NKeyKind): Promise<KeyPair> {
    const known = this.#keys.get(name);
    if (known) return known;
    const loading = loadOrCreateKey(this.at('keys', `${name}.nk`), kind);
    this.#keys.set(name, loading);
    loading.catch(() => this.#keys.delete(name));
    return loading;
  }

  requestKey(): Promise<SiteKey> {
    return loadOrCreateSiteKey(this.at('keys/request.key'));
  }

  /** The NATS user (U…) this terminal dials links with; its public key goes into terminal.register. */
  linkUser(terminalId: string): Promise<KeyPair> {
    return this.key(`link-${terminalId}`, 'user');
  }

  /** 32 bytes, made at first use; never leaves the site. */
  securekey(terminalId: string): Promise<Buffer> {
    return loadOrCreateSecret(this.at('terminals', terminalId, 'securekey'), () => randomBytes(32));
  }

  /** What will replace the securekey, made at first use. */
  nextSecurekey(terminalId: string): Promise<Buffer> {
    return loadOrCreateSecret(this.at('terminals', terminalId, 'securekey.next'), () => randomBytes(32));
  }

  async hasNextSecurekey(terminalId: string): Promise<boolean> {
    return (await readFileIfThere(this.at('terminals', terminalId, 'securekey.next'))) !== undefined;
  }

  /** The next securekey takes the place of the one in use, in one step. */
  adoptSecurekey(terminalId: string): Promise<void> {
    return rename(this.at('terminals', terminalId, 'securekey.next'), this.at('terminals', terminalId, 'securekey'));
  }

  /** 32 bytes under which the terminal's markers are authenticated; outlives a new securekey. */
  markerKey(terminalId: string): Promise<Buffer> {
    return loadOrCreateSecret(this.at('terminals', terminalId, 'marker.key'), () => randomBytes(32));
  }

  async hasSecurekey(terminalId: string): Promise<boolean> {
    return (await readFileIfThere(this.at('terminals', terminalId, 'securekey'))) !== undefined;
  }

  credsPath(customer: string, app: string): string {
    return this.at('apps', customer, `${app}.creds`);
  }

  /** A request for a new certificate of the key that is in use. */
  csr(): Promise<string> {
    return makeCsr(this.tls.keyFile, this.#file.site);
  }

  /** E_CERTIFICATE unless it fits the site's key and the CA. */
  async storeCertificate(certPem: string, caPem: string): Promise<void> {
    const key = await readFileIfThere(this.tls.keyFile);
    if (!key) throw new BusError('E_SITE_DIR', `${this.tls.keyFile} is missing: join the site again`);
    checkCertificate(certPem, caPem, { keyPem: key.toString('utf8') });
    await writeFileAtomic(this.tls.caFile, caPem, 0o644);
    await writeFileAtomic(this.tls.certFile, certPem, 0o644);
  }

  async storeSnapshot(signed: SignedText): Promise<void> {
    await writeFileAtomic(this.at('snapshot.json'), JSON.stringify(signed));
  }

  /** The last one stored; the caller checks the signature. */
  async readSnapshot(): Promise<SignedText | undefined> {
    const stored = await this.readJson<SignedText>('snapshot.json');
    return stored && typeof stored.text === 'string' && typeof stored.signature === 'string' ? stored : undefined;
  }

  /** A JSON file of this directory written by writeJson; undefined when there is none or it cannot be read. */
  async readJson<T>(name: string): Promise<T | undefined> {
    const bytes = await readFileIfThere(this.at(name));
    if (!bytes) return undefined;
    try {
      return JSON.parse(bytes.toString('utf8')) as T;
    } catch {
      return undefined;
    }
  }

  writeJson(name: string, value: unknown): Promise<void> {
    return writeFileAtomic(this.at(name), JSON.stringify(value));
  }
}

async function makeCsr(keyPath: string, siteName: string): Promise<string> {
  const present = await readFileIfThere(keyPath);
  const { keyPem, csrPem } = await createCsr({
    commonName: siteName,
    ...(present ? { keyPem: present.toString('utf8') } : {}),
  });
  if (!present) await writeFileAtomic(keyPath, keyPem);
  return csrPem;
}

async function withClusterPorts(cluster: NonNullable<SiteFile['cluster']>): Promise<SiteFile['cluster']> {
  const others = cluster.others.map(async (other) => ({
    listen: await withPort(other.listen),
    leafListen: other.leafListen === null ? null : await withPort(other.leafListen),
    ...(other.websocketListen !== undefined && { websocketListen: await withPort(other.websocketListen) }),
    monitor: await withPort(other.monitor),
    clusterListen: await withPort(other.clusterListen),
  }));
  return { listen: await withPort(cluster.listen), others: await Promise.all(others) };
}

/** The address with port 0 replaced by one that is free now. */
async function withPort(address: string): Promise<string> {
  const { host, port } = splitAddress(address);
  if (port !== 0) return address;
  const free = await new Promise<number>((resolvePort, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const bound = server.address();
      server.close(() => resolvePort(bound !== null && typeof bound === 'object' ? bound.port : 0));
    });
  });
  return address.replace(/:0$/, `:${free}`);
}
