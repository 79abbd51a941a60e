/** A site: its directory, its nats-server, accounts and links. The only door of this folder. */
export {
  type CreateSiteOptions,
  createSiteDir,
  openSiteDir,
  prepareSiteDir,
  type SignedText,
  SiteDir,
  type SiteRequest,
} from './dir.ts';
export type { SiteLock } from './lock.ts';
export type { ControlInfo, SiteFile } from './site-file.ts';
export type { SiteKey } from './site-key.ts';
