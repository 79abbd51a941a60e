/** Certificates of sites: names from the registry, never from the request; the key is the site's own. */
import { listLinks, listTerminals, orderEnds, type Registry, type Site } from '../registry/index.ts';
import { certificateNames, issueCertificate } from '../trust/index.ts';
import type { ControlIdentity } from './identity.ts';

const siteCertificateDays = 365;

/** Names under which other sites dial this one: its address, and what links go through on their way to it. */
export async function issueSiteCertificate(
  db: Registry,
  identity: ControlIdentity,
  site: Site,
  csrPem: string,
): Promise<string> {
  const names = certificateNames([site.address, ...(await viaAddresses(db, site))]);
  return issueCertificate({ ca: identity.ca, csrPem, commonName: site.name, names, days: siteCertificateDays });
}

async function viaAddresses(db: Registry, site: Site): Promise<(string | null)[]> {
  const terminals = new Map((await listTerminals(db)).map((terminal) => [terminal.id, terminal]));
  const links = await listLinks(db);
  return links.flatMap((link) => {
    const [a, b] = [terminals.get(link.a), terminals.get(link.b)];
    return a && b && orderEnds(a, b).acceptor.siteId === site.id ? [link.via] : [];
  });
}
