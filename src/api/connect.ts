/** Plain NATS connections to a control replica's client listener: TLS 1.3 against the bus's own CA. */
import { jwtAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { BusError } from '../errors.ts';

export interface ControlEndpoint {
  /** host:port, tried in turn */
  urls: string[];
  caPem: string;
  userJwt: string;
  /** NATS user seed */
  userSeed: string;
  name: string;
}

/** E_CONTROL_AWAY when none of them answers. The CA decides, so a wrong machine at the address is refused too. */
export async function connectControl(
  endpoint: ControlEndpoint,
  options: { timeoutMs?: number; inboxPrefix?: string; isForever?: boolean } = {},
): Promise<NatsConnection> {
  const { timeoutMs = 5_000, inboxPrefix, isForever = false } = options;
  try {
    return await connect({
      servers: endpoint.urls.map((url) => `tls://${url}`),
      authenticator: jwtAuthenticator(endpoint.userJwt, new TextEncoder().encode(endpoint.userSeed)),
      tls: { ca: endpoint.caPem },
      name: endpoint.name,
      timeout: timeoutMs,
      maxReconnectAttempts: isForever ? -1 : 10,
      reconnectTimeWait: 200,
      ignoreClusterUpdates: true,
      ...(inboxPrefix !== undefined && { inboxPrefix }),
    });
  } catch (cause) {
    throw new BusError('E_CONTROL_AWAY', `no control plane could be reached at ${endpoint.urls.join(', ')}`, { cause });
  }
}
