/** Certificates of sites: names from the registry, never from the request; the key is the site's own. */
import { dialledNames, type Registry, type Site } from '../registry/index.ts';
import { issueCertificate } from '../trust/index.ts';
import type { ControlIdentity } from './identity.ts';

const siteCertificateDays = 365;

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
