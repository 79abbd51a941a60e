/** A site's certificate: when it is to be renewed (it ends within two months, or lacks a host that other sites dial). */
import { Gauge, type Registry } from 'prom-client';
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

/** A series that says when it ends, read anew each time it is asked for. */
export function createCertificateMetric(registry: Registry, dir: SiteDir): void {
  new Gauge({
    name: 'mbus_certificate_expires_seconds',
    help: "When the site's certificate ends, seconds since 1970",
    registers: [registry],
    async collect() {
      const certPem = (await readFileIfThere(dir.tls.certFile))?.toString('utf8');
      this.set(certPem === undefined ? 0 : readCertificate(certPem).notAfterMs / 1000);
    },
  });
}

/** IPv6 is written in more than one way: `::1` is `0:0:0:0:0:0:0:1` in a certificate. */
function bare(host: string): string {
  const name = host.toLowerCase();
  return name.includes(':') ? new URL(`http://[${name}]`).hostname : name;
}
