/**
 * Streams at a site whose nats-servers form a cluster: every stream is kept by all three, and reads that decide something
 * are answered by its leader, because the copy of another server may lag. One door for both, so that none is forgotten.
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { natsCall } from './errors.ts';

const copies = 3;
const suffix = '-cluster';

/** What the three servers of a site call their cluster: one server alone names a cluster too, after itself. */
export function clusterName(siteId: string): string {
  return `${siteId}${suffix}`;
}

/** Whether the server this connection is on is one of several. */
export function isClustered(nc: NatsConnection): boolean {
  return nc.info?.cluster?.endsWith(suffix) ?? false;
}

/** A manager whose new streams have as many copies as the site has servers. E_NATS */
export async function streamManager(nc: NatsConnection): Promise<JetStreamManager> {
  const jsm = await natsCall('jetstream', () => jetstreamManager(nc, { checkAPI: false }));
  if (!isClustered(nc)) return jsm;
  const add = jsm.streams.add.bind(jsm.streams);
  jsm.streams.add = (config) => add({ ...config, num_replicas: copies });
  return jsm;
}
