import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { beforeAll, expect, test } from 'vitest';
import {
  type CertificateAuthority,
  certificateNames,
  checkCertificate,
  createCa,
  createCsr,
  issueCertificate,
  readCertificate,
} from '../../../src/trust/index.ts';

let ca: CertificateAuthority;
let other: CertificateAuthority;
let csr: { csrPem: string; keyPem: string };

beforeAll(async () => {
  [ca, other, csr] = await Promise.all([
    createCa({ name: 'bus' }),
    createCa({ name: 'bus' }),
    createCsr({ commonName: 'asked for admin' }),
  ]);
});

function issue(
  options: { ca?: CertificateAuthority; names?: string[]; days?: number; startDaysAgo?: number } = {},
): string {
  return issueCertificate({ ca, csrPem: csr.csrPem, commonName: 'tokyo', names: ['127.0.0.1'], days: 30, ...options });
}

/** 'ok', or the code of whichever end refused. */
async function handshake(serverCert: string, clientCert: string | undefined, servername?: string): Promise<string> {
  const server = createServer({
    cert: serverCert,
    key: csr.keyPem,
    ca: ca.certPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  });
  const refused = new Promise<string>((resolve) =>
    server.on('tlsClientError', (error) => resolve(`client refused: ${'code' in error ? error.code : ''}`)),
  );
  server.on('secureConnection', (socket: TLSSocket) => socket.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const own = clientCert === undefined ? {} : { cert: clientCert, key: csr.keyPem };
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: ca.certPem,
    ...own,
    ...(servername === undefined ? {} : { servername }),
  });
  const seen = new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(data.toString()));
    socket.once('error', (error) => {
      const code = 'code' in error ? String(error.code) : '';
      // the server's alert: it says itself why
      if (!/ALERT|ECONNRESET|EPIPE/.test(code)) resolve(`server refused: ${code}`);
    });
  });
  try {
    return await Promise.race([seen, refused]);
  } finally {
    socket.destroy();
    server.close();
  }
}

test('both ends accept certificates of the bus', async () => {
  expect(await handshake(issue(), issue({ names: [] }))).toBe('ok');
  expect(await handshake(issue({ names: ['tokyo.example.net'] }), issue(), 'tokyo.example.net')).toBe('ok');
});

test('a server of another CA, of another name, or expired is refused', async () => {
  expect(await handshake(issue({ ca: other }), issue())).toMatch(
    /server refused: (UNABLE_TO|CERT_SIGNATURE|ERR_OSSL|SELF)/,
  );
  expect(await handshake(issue({ names: ['10.0.0.1'] }), issue())).toBe('server refused: ERR_TLS_CERT_ALTNAME_INVALID');
  expect(await handshake(issue({ names: [] }), issue())).toBe('server refused: ERR_TLS_CERT_ALTNAME_INVALID');
  expect(await handshake(issue({ days: 1, startDaysAgo: 3 }), issue())).toBe('server refused: CERT_HAS_EXPIRED');
  expect(await handshake(issue({ startDaysAgo: -3 }), issue())).toBe('server refused: CERT_NOT_YET_VALID');
});

test('a client of another CA, expired, or with none is refused', async () => {
  expect(await handshake(issue(), undefined)).toMatch(/client refused/);
  expect(await handshake(issue(), issue({ ca: other }))).toMatch(/client refused/);
  expect(await handshake(issue(), issue({ days: 1, startDaysAgo: 3 }))).toMatch(/client refused/);
});

test('a certificate carries the names of the issuer, not of the request, and no right to issue', async () => {
  const info = readCertificate(issue({ names: ['10.1.2.3', 'tokyo.example.net', '[::1]'] }));
  expect(info.commonName).toBe('tokyo');
  expect(info.names).toEqual(['10.1.2.3', 'tokyo.example.net', '0:0:0:0:0:0:0:1']);
  const sub = issueCertificate({
    ca: { certPem: issue(), keyPem: csr.keyPem },
    csrPem: csr.csrPem,
    commonName: 'x',
    names: ['127.0.0.1'],
    days: 1,
  });
  expect(await handshake(sub, issue())).toMatch(/server refused/);
});

test('what does not fit is named: issuer, time, key, request', async () => {
  expect(checkCertificate(issue(), ca.certPem, { keyPem: csr.keyPem }).commonName).toBe('tokyo');
  expect(() => checkCertificate(issue({ ca: other }), ca.certPem)).toThrow(/not issued by this bus/);
  expect(() => checkCertificate(issue({ days: 1, startDaysAgo: 3 }), ca.certPem)).toThrow(/valid from .* clock/);
  expect(() => checkCertificate(issue(), ca.certPem, { keyPem: other.keyPem })).toThrow(/another key/);
  expect(() => checkCertificate('none', ca.certPem)).toThrow(/cannot be read/);
  const broken = csr.csrPem.replace(/\n(.{20})(.)/, (_, a: string, b: string) => `\n${a}${b === 'A' ? 'B' : 'A'}`);
  for (const csrPem of ['none', broken]) {
    expect(() => issueCertificate({ ca, csrPem, commonName: 'x', names: [], days: 1 })).toThrow(/certificate request/);
  }
});

test('names come from addresses, once each', () => {
  expect(certificateNames(['tokyo.example.net:7422', '127.0.0.1:1', null, '127.0.0.1:2', '[::1]:7422'])).toEqual([
    'tokyo.example.net',
    '127.0.0.1',
    '::1',
  ]);
});
