/** A site: its directory, its nats-server, accounts and links. The only door of this folder. */

export { type AppAccess, appAccess, appCertificateSoonMs } from './app-tls.ts';
export { CertificateRenewal, createCertificateMetrics } from './certificate.ts';
export { type ConnectOptions, type ConnectTarget, openCustomer } from './connections.ts';
export {
  type CreateSiteOptions,
  createSiteDir,
  openSiteDir,
  prepareSiteDir,
  type SignedText,
  SiteDir,
  type SiteRequest,
} from './dir.ts';
export { Lease } from './lease.ts';
export type { LinkCredential } from './link-users.ts';
export { type LinkSide, linkSides } from './links.ts';
export type { SiteLock } from './lock.ts';
export { deadStreamName, linkInbox, linkSubject, streamOfGroup } from './permissions.ts';
export { type ServerPlace, serverPlace, serverPlaces, serversBeside } from './places.ts';
export { startSiteServer, stopSiteServer } from './server-files.ts';
export { createServersMetric } from './servers-metric.ts';
export type { ControlInfo, SiteFile } from './site-file.ts';
export type { SiteKey } from './site-key.ts';
export { type ApplyResult, SiteServer, type SiteServerOptions } from './site-server.ts';
