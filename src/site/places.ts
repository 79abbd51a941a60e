/**
 * The nats-servers of a site, one or three, each with a home of its own in the site's directory: `nats/` is the first's and
 * holds what they share, `nats-2/` and `nats-3/` are the others'. Three form a cluster: among themselves they speak TLS
 * under an authority that signed one certificate and is gone, and show a secret as well, so nobody else of the bus can
 * join them.
 */
import { randomBytes } from 'node:crypto';
import { BusError } from '../errors.ts';
import { clusterName } from '../nats/index.ts';
import { type ClusterOptions, splitAddress } from '../server/index.ts';
import { createCa, createCsr, issueCertificate, loadOrCreateSecret, writeFileAtomic } from '../trust/index.ts';
import type { SiteDir } from './dir.ts';
import type { SiteFile } from './site-file.ts';

export interface ServerPlace {
  /** 1 and up */
  number: number;
  /** as neighbours know it by its leaf connections: the site's id, and for a further server its number behind it */
  name: string;
  /** directory of its configuration, store, log and pid */
  home: string;
  listen: string;
  leafListen: string | null;
  websocketListen: string | undefined;
  monitor: string;
  /** where the others dial it; undefined at a site with one */
  clusterListen: string | undefined;
}

type Addresses = Pick<ServerPlace, 'listen' | 'leafListen' | 'monitor' | 'clusterListen'> & {
  websocketListen?: string | undefined;
};

const uuidLength = 36;

export function serverPlaces(dir: SiteDir): ServerPlace[] {
  const { siteId, cluster, listen, leafListen, websocketListen, monitor } = dir.file;
  const first = { listen, leafListen, websocketListen, monitor, clusterListen: cluster?.listen };
  return [first, ...(cluster?.others ?? [])].map((addresses: Addresses, at) => ({
    ...addresses,
    websocketListen: addresses.websocketListen,
    number: at + 1,
    name: at === 0 ? siteId : `${siteId}-${at + 1}`,
    home: dir.at(at === 0 ? 'nats' : `nats-${at + 1}`),
  }));
}

/** E_USAGE when the site has no such server. */
export function serverPlace(dir: SiteDir, number: number): ServerPlace {
  const places = serverPlaces(dir);
  const place = places[number - 1];
  if (place !== undefined) return place;
  throw new BusError('E_USAGE', `site ${dir.file.site} has no server ${number}: it has ${places.length}`);
}

/** The site id in a server's name. */
export function siteOfServer(name: string): string {
  return name.slice(0, uuidLength);
}

/** The addresses of three servers on one machine: the further ones take the next ports, or free ones where the first's is 0. */
export function serversBeside(
  first: Pick<SiteFile, 'listen' | 'monitor'> & { leafListen?: string; websocketListen?: string },
  clusterListen: string,
): NonNullable<SiteFile['cluster']> {
  const others = [1, 2].map((step) => ({
    listen: portAfter(first.listen, step),
    leafListen: first.leafListen === undefined ? null : portAfter(first.leafListen, step),
    ...(first.websocketListen !== undefined && { websocketListen: portAfter(first.websocketListen, step) }),
    monitor: portAfter(first.monitor, step),
    clusterListen: portAfter(clusterListen, step),
  }));
  return { listen: clusterListen, others };
}

function portAfter(address: string, step: number): string {
  return address.replace(/\d+$/, (port) => (port === '0' ? port : String(Number(port) + step)));
}

/** Makes certificate and secret of a site that has three, once, when it joins. */
export async function prepareCluster(dir: SiteDir): Promise<void> {
  const places = serverPlaces(dir);
  const { certFile, keyFile, caFile } = clusterTls(dir);
  const ca = await createCa({ name: `${dir.file.site} servers` });
  const { keyPem, csrPem } = await createCsr({ commonName: dir.file.site });
  const names = places.map(({ clusterListen }) => splitAddress(clusterListen ?? '').host);
  const certPem = issueCertificate({ ca, csrPem, commonName: dir.file.site, names, days: 3650 });
  await writeFileAtomic(caFile, ca.certPem);
  await writeFileAtomic(certFile, certPem);
  await writeFileAtomic(keyFile, keyPem);
  await clusterSecret(dir);
}

/** What one of three is told of the others; undefined at a site with one. */
export async function clusterOf(dir: SiteDir, place: ServerPlace): Promise<ClusterOptions | undefined> {
  if (place.clusterListen === undefined) return undefined;
  const others = serverPlaces(dir).filter(({ number }) => number !== place.number);
  return {
    name: clusterName(dir.file.siteId),
    listen: place.clusterListen,
    secret: await clusterSecret(dir),
    routes: others.map(({ clusterListen = '' }) => clusterListen),
    tls: clusterTls(dir),
  };
}

/** Streams and buckets of the site have so many copies. */
export function replicasOf({ cluster }: SiteFile): number {
  return cluster === undefined ? 1 : cluster.others.length + 1;
}

function clusterTls(dir: SiteDir) {
  return {
    certFile: dir.at('tls/cluster-cert.pem'),
    keyFile: dir.at('tls/cluster-key.pem'),
    caFile: dir.at('tls/cluster-ca.pem'),
  };
}

async function clusterSecret(dir: SiteDir): Promise<string> {
  const bytes = await loadOrCreateSecret(dir.at('keys/cluster.secret'), () =>
    Buffer.from(randomBytes(32).toString('base64url')),
  );
  return bytes.toString('utf8');
}
