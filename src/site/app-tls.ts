/**
 * TLS of the port where applications connect, where the bus asks for it. The server shows the bus's certificate of this site
 * or the operator's, of which it reads copies in the site's directory: files that are no good change nothing that works.
 * There is no way back to plain text: without any certificate applications find one they do not trust. The site's own
 * processes ask for another name and get a certificate that was made here, so they depend on neither.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from '@nats-io/nats-core';
import { readSnapshot } from '../api/index.ts';
import type { AppTls } from '../config/bus-file.ts';
import { BusError, errorText } from '../errors.ts';
import { type CertificatePair, splitAddress } from '../server/index.ts';
import {
  createCa,
  createCsr,
  issueCertificate,
  readCertificate,
  readFileIfThere,
  writeFileAtomic,
} from '../trust/index.ts';
import type { SiteDir } from './dir.ts';
import { asksForTls } from './server-files.ts';

/** asked for by the site's own processes; nobody else's certificate names it */
const localName = 'sidecar';
const localDays = 3_650;
const dayMs = 24 * 3_600_000;
/** an operator's certificate is to be renewed by then */
export const appCertificateSoonMs = 14 * dayMs;

type Problem = { code: string; text: string };

interface AppTlsState {
  /** what the server shows: the first to whom it knows no better; none: no TLS */
  certificates: CertificatePair[];
  problems: Problem[];
}

const pairIn = (dir: SiteDir, folder: 'app' | 'local'): CertificatePair => ({
  certFile: dir.at('tls', folder, 'cert.pem'),
  keyFile: dir.at('tls', folder, 'key.pem'),
});
const appCaFile = (dir: SiteDir): string => dir.at('tls/app/ca.pem');
const localCaFile = (dir: SiteDir): string => dir.at('tls/local/ca.pem');

export class AppTlsFiles {
  readonly #dir: SiteDir;
  /** of the operator's files, as they were last taken */
  #taken = '';

  constructor(dir: SiteDir) {
    this.#dir = dir;
  }

  /** Takes over the operator's files if they are good, and says what the server is to show. */
  async take(declared: AppTls | undefined): Promise<AppTlsState> {
    if (declared === undefined) return { certificates: [], problems: [] };
    this.#taken = await digestOf(declared);
    await makeLocal(this.#dir);
    const [app, local] = [pairIn(this.#dir, 'app'), pairIn(this.#dir, 'local')];
    if (declared.names !== undefined) return { certificates: [asPair(this.#dir.tls), local], problems: [] };
    const problems = [...(await takeOver(this.#dir, declared)), ...(await endsSoon(app.certFile))];
    const isThere = (await readFileIfThere(app.certFile)) !== undefined;
    return { certificates: isThere ? [app, local] : [local], problems };
  }

  /** Whether other files are in place than those that were taken, or they end soon now. */
  async hasNews(declared: AppTls | undefined): Promise<boolean> {
    return declared !== undefined && (await digestOf(declared)) !== this.#taken;
  }
}

/** What a client must know to connect at this site as an application. */
export interface AppAccess {
  /** tls://host:port, or nats://host:port without TLS */
  url: string;
  /** whose certificates it must trust; absent: those that every machine trusts */
  caFile?: string;
}

/** E_CERTIFICATE when what lies in the site's directory is damaged. */
export async function appAccess(dir: SiteDir): Promise<AppAccess> {
  const { host, port } = splitAddress(dir.file.listen);
  const here = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const stored = await dir.readSnapshot();
  const tls = stored === undefined ? undefined : readSnapshot(stored, dir.file.control.signKey).site.tls;
  if (tls === undefined) return { url: `nats://${bracketed(here)}:${port}` };
  const certPem = (await readFileIfThere(pairIn(dir, 'app').certFile))?.toString('utf8');
  const names = tls.names ?? (certPem === undefined ? [] : readCertificate(certPem).names);
  const name = names.includes(here) ? here : (names.find((each) => !each.startsWith('*')) ?? here);
  const caFile = tls.names !== undefined ? dir.tls.caFile : tls.ca === undefined ? undefined : appCaFile(dir);
  return { url: `tls://${bracketed(name)}:${port}`, ...(caFile !== undefined && { caFile }) };
}

/**
 * For a connection of the site itself, now and whenever it is made anew: TLS may come and go meanwhile, and the client library
 * refuses to dial a server without it once it was told of it. It calls the handler as a method of the options it dials with.
 */
export function localTls(
  dir: SiteDir,
  redial: Pick<Required<ConnectionOptions>, 'reconnectDelayHandler'>,
): Pick<ConnectionOptions, 'tls' | 'reconnectDelayHandler'> {
  const now = (): ConnectionOptions['tls'] => (asksForTls(dir) ? trusted(dir) : undefined);
  return {
    tls: now(),
    reconnectDelayHandler(this: ConnectionOptions) {
      this.tls = now();
      return redial.reconnectDelayHandler();
    },
  };
}

function trusted(dir: SiteDir): ConnectionOptions['tls'] {
  // handed on to node:tls as it is
  const options = { caFile: localCaFile(dir), servername: localName };
  return options;
}

const asPair = ({ certFile, keyFile }: CertificatePair): CertificatePair => ({ certFile, keyFile });

/** Changes with the operator's files, and when they begin to be a problem. */
async function digestOf(declared: AppTls, nowMs = Date.now()): Promise<string> {
  const digest = createHash('sha256');
  for (const path of [declared.cert, declared.key, declared.ca]) {
    const bytes = path === undefined ? undefined : await readFile(path).catch((error: unknown) => errorText(error));
    digest.update(`${bytes?.length ?? '-'}\n`).update(bytes ?? '');
    if (path === declared.cert && Buffer.isBuffer(bytes)) digest.update(stateOf(bytes.toString('utf8'), nowMs));
  }
  return digest.digest('hex');
}

/** Good for ten years, and from before any clock: made anew when it has a year left. Its CA's key is not kept. */
async function makeLocal(dir: SiteDir): Promise<void> {
  const { certFile, keyFile } = pairIn(dir, 'local');
  const present = (await readFileIfThere(certFile))?.toString('utf8');
  if (present !== undefined && readCertificate(present).notAfterMs - Date.now() > 365 * dayMs) return;
  const ca = await createCa({ name: `${dir.file.site} itself`, days: localDays, startDaysAgo: 365 });
  const { keyPem, csrPem } = await createCsr({ commonName: localName });
  const names = [localName];
  const certPem = issueCertificate({ ca, csrPem, commonName: localName, names, days: localDays, startDaysAgo: 365 });
  await writeFileAtomic(keyFile, keyPem);
  await writeFileAtomic(localCaFile(dir), ca.certPem, 0o644);
  await writeFileAtomic(certFile, certPem, 0o644);
}

/** Copies the operator's files when they fit each other; else the copies of before stay. */
async function takeOver(dir: SiteDir, { cert = '', key = '', ca }: AppTls): Promise<Problem[]> {
  try {
    const [certPem, keyPem] = [await readPem(cert), await readPem(key)];
    const caPem = ca === undefined ? undefined : await readPem(ca);
    checkPair({ cert, certPem, key, keyPem });
    if (ca !== undefined && caPem !== undefined) parsed(ca, caPem);
    const { certFile, keyFile } = pairIn(dir, 'app');
    await writeFileAtomic(keyFile, keyPem);
    if (caPem !== undefined) await writeFileAtomic(appCaFile(dir), caPem, 0o644);
    await writeFileAtomic(certFile, certPem, 0o644);
    return [];
  } catch (error) {
    return [{ code: 'E_APP_CERTIFICATE', text: errorText(error) }];
  }
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new BusError('E_APP_CERTIFICATE', `${path}: ${errorText(cause)}`, { cause });
  }
}

function checkPair(given: { cert: string; certPem: string; key: string; keyPem: string }): void {
  const certificate = parsed(given.cert, given.certPem);
  const key = privateKey(given.key, given.keyPem);
  if (!certificate.checkPrivateKey(key))
    throw new BusError('E_APP_CERTIFICATE', `${given.key} is not the key of ${given.cert}`);
  if (Date.parse(certificate.validTo) < Date.now())
    throw new BusError('E_APP_CERTIFICATE', `${given.cert} ended on ${certificate.validTo}`);
}

function parsed(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new BusError('E_APP_CERTIFICATE', `${path} holds no certificate in PEM`, { cause });
  }
}

function privateKey(path: string, pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    const text = `${path} holds no private key in PEM, or one that asks for a passphrase`;
    throw new BusError('E_APP_CERTIFICATE', text, { cause });
  }
}

async function endsSoon(certFile: string): Promise<Problem[]> {
  const certPem = (await readFileIfThere(certFile))?.toString('utf8');
  if (certPem === undefined || stateOf(certPem, Date.now()) === 'good') return [];
  const ends = new Date(readCertificate(certPem).notAfterMs).toISOString();
  return [{ code: 'E_APP_CERTIFICATE', text: `the certificate that applications are shown ends on ${ends}` }];
}

function stateOf(certPem: string, nowMs: number): 'good' | 'soon' | 'bad' {
  try {
    return readCertificate(certPem).notAfterMs - nowMs > appCertificateSoonMs ? 'good' : 'soon';
  } catch {
    return 'bad';
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
