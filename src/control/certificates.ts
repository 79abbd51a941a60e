/**
 * Certificates of sites: names from the registry, never from the request; the key is the site's own. A site that joins has
 * none yet: over WebSocket, where only certificates of the bus get in, its token brings one that ends with it.
 */
import type { JoinToken } from '../api/index.ts';
import { dialledNames, type Registry, type Site, tokenLifeMs } from '../registry/index.ts';
import { createCsr, issueCertificate } from '../trust/index.ts';
import type { ControlIdentity } from './identity.ts';

const siteCertificateDays = 365;
const dayMs = 24 * 3600 * 1000;

/** Names are those under which other sites dial this one. */
export async function issueSiteCertificate(
  db: Registry,
  identity: ControlIdentity,
  site: Site,
  csrPem: string,
): Promise<string> {
  const names = await dialledNames(db, site);
  return issueCertificate({ ca: identity.ca, csrPem, commonName: site.name, names, days: siteCertificateDays });
}

/** Its name holds a blank, so it passes for no site, and it names no host, so nothing can be served with it. */
export async function websocketAccess(
  identity: ControlIdentity,
  tokenId: string,
  urls: string[],
): Promise<NonNullable<JoinToken['websocket']>> {
  const commonName = `join ${tokenId}`;
  const { keyPem, csrPem } = await createCsr({ commonName });
  const certPem = issueCertificate({ ca: identity.ca, csrPem, commonName, names: [], days: tokenLifeMs / dayMs });
  return { urls, certPem, keyPem };
}
