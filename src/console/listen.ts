/**
 * Where the console listens and what browsers call it. Sessions are worth nothing to others only where nobody reads along:
 * TLS here, or a proxy with TLS before it, or the machine itself. The certificate's files are read again every minute, so
 * renewing it takes no restart.
 */
import { readFile } from 'node:fs/promises';
import { createServer as createPlain, type RequestListener, type Server } from 'node:http';
import { createServer as createTls, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import { systemClock } from '../clock.ts';
import { BusError, errorText } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface ListenOptions {
  host: string;
  /** 0: a free one */
  port: number;
  /** PEM files: the certificate with its chain, and its key */
  tls?: { cert: string; key: string } | undefined;
  /** how browsers reach it, where that is not this address: the origin of a proxy before it */
  url?: string | undefined;
}

const loopback = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
const renewEveryMs = 60_000;
const headersTimeoutMs = 10_000;

/** Whether every browser's way to it is encrypted, as far as is told. E_CONSOLE_TLS when others could read along. */
export function requireSafe({ host, tls, url }: ListenOptions): { isSecure: boolean } {
  const outside = url === undefined ? undefined : new URL(url);
  const isSecure = tls !== undefined || outside?.protocol === 'https:';
  const isLocal = loopback.test((outside?.hostname ?? host).replace(/^\[|\]$/g, ''));
  if (isSecure || isLocal) return { isSecure };
  throw new BusError(
    'E_CONSOLE_TLS',
    `console: ${outside?.origin ?? host} can be reached by others, and what browsers send there is not encrypted`,
  );
}

/** Listens. E_PORT_TAKEN E_CONSOLE_TLS */
export async function listen(
  { host, port, tls, url }: ListenOptions,
  answer: RequestListener,
): Promise<{ server: Server | TlsServer; url: string }> {
  const server = tls === undefined ? createPlain(answer) : createTls(await readPair(tls), answer);
  server.headersTimeout = headersTimeoutMs;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EADDRINUSE') return reject(cause);
      reject(new BusError('E_PORT_TAKEN', `console: ${host}:${port} is taken`, { cause, details: { host, port } }));
    });
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return { server, url: url ?? `${tls === undefined ? 'http' : 'https'}://${name}:${bound}` };
}

/** Takes over a renewed certificate; runs until the signal aborts. */
export async function keepCertificate(
  server: Server | TlsServer,
  tls: NonNullable<ListenOptions['tls']>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  let known = await readPair(tls);
  for (;;) {
    await systemClock.sleep(renewEveryMs, signal).catch(() => undefined);
    if (signal.aborted || !('setSecureContext' in server)) return;
    try {
      const pair = await readPair(tls);
      if (pair.cert.equals(known.cert) && pair.key.equals(known.key)) continue;
      server.setSecureContext(pair);
      known = pair;
      log.info({ event: 'console.certificate' }, 'the console has a new certificate');
    } catch (err) {
      log.warn({ event: 'console.certificate-unusable', err }, errorText(err));
    }
  }
}

async function readPair({ cert, key }: NonNullable<ListenOptions['tls']>): Promise<{ cert: Buffer; key: Buffer }> {
  try {
    const pair = { cert: await readFile(cert), key: await readFile(key), minVersion: 'TLSv1.2' as const };
    createSecureContext(pair);
    return pair;
  } catch (cause) {
    throw new BusError('E_CONSOLE_TLS', `console: ${cert} and ${key} are no usable pair: ${errorText(cause)}`, {
      cause,
    });
  }
}
