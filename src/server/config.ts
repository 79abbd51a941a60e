/**
 * nats-server configuration of a site and of a control replica, rendered from nats-config/. Pure: the same options give
 * the same text, so a caller compares texts to know whether a reload is due.
 */
import { type ConfigValue, fillTemplate, readTemplate } from './template.ts';

/** room for a sealed envelope around the largest message, bytes */
const envelopeRoomBytes = 64 * 1024;

export interface TlsFiles {
  certFile: string;
  keyFile: string;
  caFile: string;
}

export type CertificatePair = Pick<TlsFiles, 'certFile' | 'keyFile'>;

interface CommonOptions {
  serverName: string;
  /** host:port of the client listener */
  listen: string;
  /** host:port of the monitoring listener, on loopback */
  monitor: string;
  logFile: string;
  operatorJwt: string;
  systemAccount: string;
  resolverDir: string;
  /** account public key -> JWT, known from the first moment */
  preload: Record<string, string>;
  tls: TlsFiles;
}

export interface LeafRemote {
  /** host:port, or wss://host:port for WebSocket; several for failover, all of one kind */
  urls: string[];
  /** http://host:port of a proxy that opens tunnels, with user:password@ where it asks for them */
  proxy?: string | undefined;
  /** local account, public key */
  account: string;
  credsFile: string;
  /** toggled by the watchdog to make a stuck remote start anew */
  isDisabled?: boolean;
}

/** One of a site's three servers, among the others. */
export interface ClusterOptions {
  name: string;
  /** host:port */
  listen: string;
  /** what they show each other beside a certificate; URL-safe text */
  secret: string;
  /** host:port of the others' cluster listeners */
  routes: string[];
  tls: TlsFiles;
}

export interface SiteConfigOptions extends CommonOptions {
  /** host:port; undefined in client mode */
  leafListen: string | undefined;
  /** host:port where links come in over WebSocket */
  websocketListen?: string | undefined;
  /** largest application message, bytes */
  maxPayload: number;
  durability: 'process' | 'power';
  storeDir: string;
  /** bound of the sum of all streams' quotas, bytes */
  maxStoreBytes?: number;
  /** what applications are shown, the first to whom no name fits; none: no TLS */
  certificates?: CertificatePair[];
  remotes: LeafRemote[];
  cluster?: ClusterOptions | undefined;
}

export interface ControlConfigOptions extends CommonOptions {
  leafListen: string;
  /** host:port where sites come in over WebSocket */
  websocketListen?: string | undefined;
  clusterName: string;
  clusterListen: string;
  /** what replicas show each other beside a certificate: every site has one of those; URL-safe text */
  clusterSecret: string;
  /** host:port of the other replicas' cluster listeners */
  routes: string[];
  maxPayload?: number;
}

const defaultStoreBytes = 1024 ** 5;

export function renderSiteConfig(options: SiteConfigOptions): string {
  return fillTemplate(
    readTemplate('site'),
    {
      ...commonValues(options),
      maxPayload: options.maxPayload + envelopeRoomBytes,
      storeDir: options.storeDir,
      maxStoreBytes: options.maxStoreBytes ?? defaultStoreBytes,
      syncInterval: options.durability === 'power' ? 'always' : '2m',
      remotes: options.remotes.map((remote) => remoteValue(remote, options.tls)),
    },
    {
      cluster: options.cluster === undefined ? '' : siteCluster(options.cluster),
      leafListener: options.leafListen === undefined ? '' : leafListener(options.leafListen, options.tls),
      websocketListener: websocketListener(options),
      appTls: appTls(options.certificates ?? []),
    },
  );
}

export function renderControlConfig(options: ControlConfigOptions): string {
  return fillTemplate(
    readTemplate('control'),
    {
      ...commonValues(options),
      ...tlsValues(options.tls),
      maxPayload: options.maxPayload ?? 8 * 1024 * 1024,
      clusterName: options.clusterName,
      clusterListen: options.clusterListen,
      clusterSecret: options.clusterSecret,
      routes: routeUrls('replica', options.clusterSecret, options.routes),
    },
    { leafListener: leafListener(options.leafListen, options.tls), websocketListener: websocketListener(options) },
  );
}

function siteCluster({ name, listen, secret, routes, tls }: ClusterOptions): string {
  const values = { clusterName: name, clusterListen: listen, clusterSecret: secret, ...tlsValues(tls) };
  return fillTemplate(readTemplate('site-cluster'), { ...values, routes: routeUrls('server', secret, routes) });
}

function routeUrls(user: string, secret: string, routes: readonly string[]): string[] {
  return routes.map((route) => `nats-route://${user}:${encodeURIComponent(secret)}@${route}`);
}

function commonValues(options: CommonOptions): Record<string, ConfigValue> {
  const { serverName, listen, monitor, logFile, operatorJwt, systemAccount, resolverDir, preload } = options;
  return { serverName, listen, monitor, logFile, operatorJwt, systemAccount, resolverDir, preload };
}

function tlsValues(tls: TlsFiles): Record<string, ConfigValue> {
  return { certFile: tls.certFile, keyFile: tls.keyFile, caFile: tls.caFile };
}

function leafListener(leafListen: string, tls: TlsFiles): string {
  return fillTemplate(readTemplate('leaf-listener'), { leafListen, ...tlsValues(tls) }).trimEnd();
}

function websocketListener({ websocketListen, tls }: { websocketListen?: string | undefined; tls: TlsFiles }): string {
  if (websocketListen === undefined) return '';
  return fillTemplate(readTemplate('websocket-listener'), { websocketListen, ...tlsValues(tls) }).trimEnd();
}

function appTls(certificates: readonly CertificatePair[]): string {
  if (certificates.length === 0) return '';
  const certs = certificates.map(({ certFile, keyFile }) => ({ cert_file: certFile, key_file: keyFile }));
  return fillTemplate(readTemplate('app-tls'), { certs }).trimEnd();
}

function remoteValue(remote: LeafRemote, tls: TlsFiles): ConfigValue {
  return {
    urls: remote.urls.map((url) => (url.startsWith('wss://') ? url : `tls://${url}`)),
    ...(remote.proxy === undefined ? {} : { proxy: proxyValue(remote.proxy) }),
    account: remote.account,
    credentials: remote.credsFile,
    ignore_discovered_servers: true,
    compression: 'off',
    tls: {
      cert_file: tls.certFile,
      key_file: tls.keyFile,
      ca_file: tls.caFile,
      handshake_first: true,
      min_version: '1.3',
      timeout: 5,
    },
    ...(remote.isDisabled ? { disabled: true } : {}),
  };
}

/** nats-server takes a login as fields of their own and leaves one in the URL unread. */
function proxyValue(proxy: string): ConfigValue {
  const { hostname, port, username, password } = new URL(proxy);
  const login = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { url: `http://${hostname}:${port || 80}`, timeout: '5s', ...(username === '' ? {} : login) };
}
