/** A site's certificate: when it is to be renewed (it ends within two months, or lacks a host that other sites dial). */
import { Gauge, type Registry } from 'prom-client';
import type { ControlClient } from '../api/methods.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { readCertificate, readFileIfThere } from '../trust/index.ts';
import type { SiteDir } from './dir.ts';

const renewBeforeMs = 60 * 24 * 3600 * 1000;
const againMs = 3_600_000;

export interface CertificateRenewalOptions {
  dir: SiteDir;
  control: Pick<ControlClient, 'call'>;
  clock: Clock;
  log: Logger;
}

/** Asks for a new one once per version and hour at most: names that the control plane does not give are not asked for again and again. */
export class CertificateRenewal {
  readonly #options: CertificateRenewalOptions;
  #asked = { version: -1, atMs: 0 };

  constructor(options: CertificateRenewalOptions) {
    this.#options = options;
  }

  /** True when a new one was due and is stored: the server has to be told. E_CONTROL_AWAY, and what the control plane refuses. */
  async renew({ version, site }: Snapshot): Promise<boolean> {
    const { dir, control, clock, log } = this.#options;
    if (!(await isCertificateDue(dir, site.dialledAs ?? []))) return false;
    const atMs = clock.monotonicMs();
    if (version === this.#asked.version && atMs - this.#asked.atMs < againMs) return false;
    this.#asked = { version, atMs };
    const { certPem, caPem } = await control.call('cert.renew', { csrPem: await dir.csr() });
    await dir.storeCertificate(certPem, caPem);
    log.info({ event: 'certificate.renewed' }, 'the certificate is renewed');
    return true;
  }
}

/** @param hosts DNS names and addresses, as the snapshot tells them */
async function isCertificateDue(dir: SiteDir, hosts: readonly string[], nowMs = Date.now()): Promise<boolean> {
  const certPem = (await readFileIfThere(dir.tls.certFile))?.toString('utf8');
  if (certPem === undefined) return true;
  const { names, notAfterMs } = readCertificate(certPem);
  const known = new Set(names.map(bare));
  return notAfterMs - nowMs < renewBeforeMs || !hosts.every((host) => known.has(bare(host)));
}

/** Series that say when certificates end, read anew each time they are asked for; 0 where there is none. */
export function createCertificateMetrics(
  registry: Registry,
  dir: { tls: Pick<SiteDir['tls'], 'certFile'>; at(path: string): string },
): void {
  const gauge = (name: string, help: string, file: string): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const certPem = (await readFileIfThere(file))?.toString('utf8');
        this.set(certPem === undefined ? 0 : readCertificate(certPem).notAfterMs / 1000);
      },
    });
  };
  gauge('mbus_certificate_expires_seconds', "When the site's certificate ends, seconds since 1970", dir.tls.certFile);
  gauge(
    'mbus_app_certificate_expires_seconds',
    "When the operator's certificate for applications ends, seconds since 1970; 0: there is none",
    dir.at('tls/app/cert.pem'),
  );
}

/** IPv6 is written in more than one way: `::1` is `0:0:0:0:0:0:0:1` in a certificate. */
function bare(host: string): string {
  const name = host.toLowerCase();
  return name.includes(':') ? new URL(`http://[${name}]`).hostname : name;
}
