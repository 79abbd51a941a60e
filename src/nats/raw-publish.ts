/**
 * Many publishes in one piece. The client library takes each by itself - three pieces for the wire, a command as text, a write
 * every 32 KiB - and that costs a batch of small messages more than everything else about it.
 */
import type { NatsConnection } from '@nats-io/nats-core';

interface Internals {
  protocol: { sendCommand(bytes: Uint8Array): void };
}

const unlimited = Number.MAX_SAFE_INTEGER;

/** Sends ready protocol bytes, after everything published before; lost, as any publish, when the connection is. */
export function publishRaw(nc: NatsConnection, bytes: Uint8Array): void {
  if (!nc.isClosed()) (nc as unknown as Internals).protocol.sendCommand(bytes);
}

/** What the server takes for one message, headers and payload. */
export function largestPayload(nc: NatsConnection): number {
  return nc.info?.max_payload ?? unlimited;
}
