/**
 * The bus's own X.509: one CA at the control plane, one certificate per site for both ends of its leaf links. node-forge
 * writes certificates, node:crypto makes the keys; node:tls and nats-server verify. A private key stays where it was
 * made: a site sends a CSR, and of the CSR only the public key is used, the names come from the registry.
 */
import { generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { BusError } from '../errors.ts';

const dayMs = 24 * 3600 * 1000;
/** a site's clock may be behind by this much */
const backdateMs = 3600 * 1000;

export interface CertificateAuthority {
  certPem: string;
  keyPem: string;
}

export interface CertificateInfo {
  commonName: string;
  /** DNS names and IP addresses */
  names: string[];
  notBeforeMs: number;
  notAfterMs: number;
  serial: string;
}

/** RSA key as PKCS#8 PEM; forge writes no EC certificates. */
async function createPrivateKeyPem(bits = 2048): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export async function createCa(options: {
  name: string;
  days?: number;
  /** days before now that it begins */
  startDaysAgo?: number;
}): Promise<CertificateAuthority> {
  const keyPem = await createPrivateKeyPem(3072);
  const key = forge.pki.privateKeyFromPem(keyPem);
  const publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
  const subject = [{ name: 'commonName', value: options.name }];
  const certificate = newCertificate(publicKey, subject, subject, options.days ?? 3650, options.startDaysAgo);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  certificate.sign(key, forge.md.sha256.create());
  return { certPem: forge.pki.certificateToPem(certificate), keyPem };
}

/** A request for a certificate, with the key it is for (a new one unless `keyPem` is given). */
export async function createCsr(options: {
  commonName: string;
  keyPem?: string;
}): Promise<{ keyPem: string; csrPem: string }> {
  const keyPem = options.keyPem ?? (await createPrivateKeyPem());
  const key = forge.pki.privateKeyFromPem(keyPem);
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
  request.setSubject([{ name: 'commonName', value: options.commonName }]);
  request.sign(key, forge.md.sha256.create());
  return { keyPem, csrPem: forge.pki.certificationRequestToPem(request) };
}

/**
 * A certificate for both ends of a TLS connection. `names` are DNS names and IP addresses (`host` or `[v6]`), decided by
 * the issuer; what the CSR asks for beyond its key is ignored. E_CSR when the CSR is not sound.
 */
export function issueCertificate(options: {
  ca: CertificateAuthority;
  csrPem: string;
  commonName: string;
  names: string[];
  days: number;
  /** days before now that it begins; tests make expired ones with it */
  startDaysAgo?: number;
}): string {
  const publicKey = requestKey(options.csrPem);
  const authority = forge.pki.certificateFromPem(options.ca.certPem);
  const subject = [{ name: 'commonName', value: options.commonName }];
  const certificate = newCertificate(
    publicKey,
    subject,
    authority.subject.attributes,
    options.days,
    options.startDaysAgo,
  );
  const altNames = [...new Set(options.names.map(bareHost))].map((host) =>
    isIP(host) ? { type: 7, ip: host } : { type: 2, value: host },
  );
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: authority.generateSubjectKeyIdentifier().getBytes() },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(options.ca.keyPem), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}

/** Names a certificate needs for `host:port` addresses; duplicates removed. */
export function certificateNames(addresses: (string | null)[]): string[] {
  return [...new Set(addresses.filter((a) => a !== null).map((a) => bareHost(a.replace(/:\d+$/, ''))))];
}

export function readCertificate(certPem: string): CertificateInfo {
  const certificate = parseCertificate(certPem);
  const names = (certificate.subjectAltName ?? '').split(', ').filter(Boolean);
  return {
    commonName: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '',
    names: names.map((name) => name.replace(/^(DNS|IP Address):/, '')),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    serial: certificate.serialNumber,
  };
}

/** Throws E_CERTIFICATE unless `certPem` was issued by `caPem`, is valid now and fits the key when one is given. */
export function checkCertificate(
  certPem: string,
  caPem: string,
  options: { keyPem?: string; nowMs?: number } = {},
): CertificateInfo {
  const certificate = parseCertificate(certPem);
  const authority = parseCertificate(caPem);
  const info = readCertificate(certPem);
  const nowMs = options.nowMs ?? Date.now();
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
    throw new BusError('E_CERTIFICATE', `certificate of ${info.commonName} was not issued by this bus`);
  }
  if (nowMs < info.notBeforeMs || nowMs > info.notAfterMs) {
    const span = `${new Date(info.notBeforeMs).toISOString()} to ${new Date(info.notAfterMs).toISOString()}`;
    throw new BusError(
      'E_CERTIFICATE',
      `certificate of ${info.commonName} is valid from ${span} only: renew it, or set the clock`,
    );
  }
  if (options.keyPem !== undefined && !keyFits(certificate, options.keyPem)) {
    throw new BusError('E_CERTIFICATE', `certificate of ${info.commonName} belongs to another key`);
  }
  return info;
}

function newCertificate(
  publicKey: forge.pki.rsa.PublicKey,
  subject: forge.pki.CertificateField[],
  issuer: forge.pki.CertificateField[],
  days: number,
  startDaysAgo = 0,
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  const startMs = Date.now() - startDaysAgo * dayMs;
  certificate.publicKey = publicKey;
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = new Date(startMs - backdateMs);
  certificate.validity.notAfter = new Date(startMs + days * dayMs);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer);
  return certificate;
}

function requestKey(csrPem: string): forge.pki.rsa.PublicKey {
  try {
    const request = forge.pki.certificationRequestFromPem(csrPem);
    const key = request.publicKey;
    if (request.verify() && key && 'n' in key && key.n.bitLength() >= 2048 && key.n.bitLength() <= 4096) return key;
  } catch (cause) {
    throw new BusError('E_CSR', 'certificate request: cannot be read', { cause });
  }
  throw new BusError('E_CSR', 'certificate request: signature or key is not acceptable (RSA of 2048 to 4096 bits)');
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new BusError('E_CERTIFICATE', 'certificate: cannot be read', { cause });
  }
}

function keyFits(certificate: X509Certificate, keyPem: string): boolean {
  const key = forge.pki.privateKeyFromPem(keyPem);
  const publicPem = forge.pki.publicKeyToPem(forge.pki.setRsaPublicKey(key.n, key.e)).replace(/\r/g, '').trim();
  return certificate.publicKey.export({ type: 'spki', format: 'pem' }).toString().trim() === publicPem;
}

function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}
