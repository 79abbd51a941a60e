/** When a site's certificate is to be renewed: it ends within two months, or lacks a host that other sites dial. */
import { readCertificate, readFileIfThere } from '../trust/index.ts';
import type { SiteDir } from './dir.ts';

const renewBeforeMs = 60 * 24 * 3600 * 1000;

/** @param hosts DNS names and addresses, as the snapshot tells them */
export async function isCertificateDue(dir: SiteDir, hosts: readonly string[], nowMs = Date.now()): Promise<boolean> {
  const certPem = (await readFileIfThere(dir.tls.certFile))?.toString('utf8');
  if (certPem === undefined) return true;
  const { names, notAfterMs } = readCertificate(certPem);
  const known = new Set(names.map(bare));
  return notAfterMs - nowMs < renewBeforeMs || !hosts.every((host) => known.has(bare(host)));
}

/** IPv6 is written in more than one way: `::1` is `0:0:0:0:0:0:0:1` in a certificate. */
function bare(host: string): string {
  const name = host.toLowerCase();
  return name.includes(':') ? new URL(`http://[${name}]`).hostname : name;
}
