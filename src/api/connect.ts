/** Plain NATS connections to a control replica's client listener: TLS 1.3 against the bus's own CA. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { BusError } from '../errors.ts';
import { redialEvery } from '../nats/index.ts';
import { splitAddress } from '../server/index.ts';

export interface ControlEndpoint {
  /** host:port, tried in turn */
  urls: string[];
  caPem: string;
  userJwt: string;
  /** NATS user seed */
  userSeed: string;
  name: string;
}

/** Common names of replicas' certificates begin with it; a site's name holds no blank, so none can pass for one. */
export const controlCertificatePrefix = 'control ';

/** E_CONTROL_AWAY when none of them answers. The CA decides, so a wrong machine at the address is refused too. */
export async function connectControl(
  endpoint: ControlEndpoint,
  options: {
    timeoutMs?: number;
    inboxPrefix?: string;
    isForever?: boolean;
    /** host:port to dial instead of the endpoint's own, which the certificate still has to name */
    dial?: string[];
    /** what is dialled is on loopback and has done TLS */
    isSecured?: boolean;
  } = {},
): Promise<NatsConnection> {
  const { timeoutMs = 5_000, inboxPrefix, isForever = false, dial = endpoint.urls, isSecured = false } = options;
  try {
    return await connect({
      servers: dial.map((url) => `${isSecured ? 'nats' : 'tls'}://${url}`),
      authenticator: jwtAuthenticator(endpoint.userJwt, new TextEncoder().encode(endpoint.userSeed)),
      ...(!isSecured && { tls: controlTls(endpoint) }),
      name: endpoint.name,
      timeout: timeoutMs,
      maxReconnectAttempts: isForever ? -1 : 10,
      ...redialEvery(200),
      ignoreClusterUpdates: true,
      ...(inboxPrefix !== undefined && { inboxPrefix }),
    });
  } catch (cause) {
    throw new BusError('E_CONTROL_AWAY', `no control plane could be reached at ${endpoint.urls.join(', ')}`, { cause });
  }
}

/** The client library hands no IP address to TLS, so the certificate is compared here, with every address we may dial. */
export function controlTls({ urls, caPem }: Pick<ControlEndpoint, 'urls' | 'caPem'>) {
  const hosts = urls.map((url) => splitAddress(url).host);
  const check = (_: string, certificate: PeerCertificate): Error | undefined => {
    const problems = hosts.map((host) => checkServerIdentity(host, certificate));
    const isControl = String(certificate.subject.CN).startsWith(controlCertificatePrefix);
    if (isControl && problems.includes(undefined)) return undefined;
    return new BusError('E_CERTIFICATE', `the certificate at ${urls.join(', ')} is not that of a control plane there`);
  };
  return { ca: caPem, checkServerIdentity: check };
}
