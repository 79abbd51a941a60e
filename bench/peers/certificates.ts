/** One key pair for both ends of a peer's link, signed by a CA that lives as long as the bench. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCa, createCsr, issueCertificate } from '../../src/trust/index.ts';

export interface CertificateFiles {
  cert: string;
  key: string;
  ca: string;
}

export async function writeCertificates(dir: string): Promise<CertificateFiles> {
  const ca = await createCa({ name: 'bench CA' });
  const { keyPem, csrPem } = await createCsr({ commonName: 'bench' });
  const certPem = issueCertificate({ ca, csrPem, commonName: 'bench', names: ['127.0.0.1', 'localhost'], days: 1 });
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), ca: join(dir, 'ca.pem') };
  await writeFile(files.key, keyPem, { mode: 0o600 });
  await writeFile(files.cert, certPem);
  await writeFile(files.ca, ca.certPem);
  return files;
}
