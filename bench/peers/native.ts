/**
 * JetStream's own sourcing: two plain nats-servers, a leaf link of the same kind as the bus has (TLS 1.3, both sides
 * verified), and durable sourcing over it. No sealing, no receipts, no accounts. Each group is a stream that sources for
 * itself, so each gets its own copy over the link. With three far sites each has a server, a link and one of the groups.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { LinkProxy } from '../../src/lab/index.ts';
import { silentLogger } from '../../src/log.ts';
import { ensureServer, findServer } from '../../src/server/index.ts';
import type { Contender, RouteOptions } from '../contender.ts';
import { type NatsRoute, natsRoute, present } from '../nats-route.ts';
import { freePort } from '../wait.ts';
import { type CertificateFiles, writeCertificates } from './certificates.ts';
import { linkOf } from './link.ts';

export interface NativeOptions {
  dir: string;
  /** of the leaf link */
  compression?: 'off' | 's2_fast';
  farSites?: 1 | 3;
}

export interface NativeContender extends Contender {
  near: NatsConnection;
}

export async function startNative({ dir, compression = 'off', farSites = 1 }: NativeOptions): Promise<NativeContender> {
  const releases: (() => Promise<unknown>)[] = [];
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const leafPort = await freePort();
  const sites = ['far', 'far2', 'far3'].slice(0, farSites);
  const proxies = await Promise.all(sites.map(() => LinkProxy.listen({ host: '127.0.0.1', port: leafPort })));
  releases.push(() => Promise.all(proxies.map((proxy) => proxy.close())));
  const tls = tlsBlock(await writeCertificates(dir));
  const { path: binary } = await findServer();
  const start = async (name: string, leaf: string): Promise<NatsConnection> => {
    const home = join(dir, name);
    await mkdir(home, { recursive: true, mode: 0o700 });
    const port = await freePort();
    const configPath = join(home, 'server.conf');
    const leafNodes = `reconnect: "200ms", no_advertise: true, compression: ${compression}, ${leaf}`;
    await writeFile(configPath, await renderConfig({ name, home, port, leafNodes }), { mode: 0o600 });
    const server = await ensureServer({ binary, configPath, dir: home, log: silentLogger });
    releases.push(() => server.stop());
    const nc = await connect({ servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1 });
    releases.push(() => nc.close());
    return nc;
  };
  const near = await start('near', `listen: "127.0.0.1:${leafPort}", ${tls}`);
  const far = await Promise.all(
    sites.map((site, at) => start(site, `remotes: [{ url: "tls://127.0.0.1:${proxies[at]?.port}", ${tls} }]`)),
  );
  return {
    name: compression === 'off' ? 'native sourcing' : `native sourcing, ${compression}`,
    near,
    route: (options) => openRoute(options, near, far),
    ...linkOf(...proxies),
    stop: async () => {
      for (const release of releases.reverse()) await release();
    },
  };
}

/** A fresh pair of streams per call. The source fills first; start() makes the far streams, so all of it crosses at once. */
async function openRoute(
  { topic, groups: count = 1 }: RouteOptions,
  near: NatsConnection,
  far: readonly NatsConnection[],
): Promise<NatsRoute> {
  const nearManager = await jetstreamManager(near);
  const groups = Array.from({ length: count }, (_, at) => `far${at}`);
  const places = groups.map((group, at) => ({ group, nc: present(far[at] ?? far[0], 'far server') }));
  await nearManager.streams.add({ name: topic, subjects: [topic] });
  return natsRoute(
    { topic, groups, near, far: places.map(({ nc }) => nc) },
    {
      hold: async () => undefined,
      start: async () => {
        await Promise.all(places.map(({ group, nc }) => addSourced(topic, group, near, nc)));
      },
      close: async () => {
        for (const { group, nc } of places) await (await jetstreamManager(nc)).streams.delete(`${topic}@${group}`);
        await nearManager.streams.delete(topic);
      },
    },
  );
}

async function addSourced(topic: string, group: string, near: NatsConnection, far: NatsConnection): Promise<void> {
  const [nearManager, farManager] = [await jetstreamManager(near), await jetstreamManager(far)];
  const deliverSubject = `bench.deliver.${topic}.${group}`;
  const durable = `sourcing-${group}`;
  await nearManager.consumers.add(topic, {
    durable_name: durable,
    deliver_subject: deliverSubject,
    ack_policy: 'flow_control',
    flow_control: true,
    idle_heartbeat: 1_000_000_000,
  });
  await farManager.streams.add({
    name: `${topic}@${group}`,
    retention: 'workqueue',
    sources: [
      {
        name: topic,
        external: { api: '$JS.near.API', deliver: '' },
        consumer: { name: durable, deliver_subject: deliverSubject },
      },
    ],
  });
  await farManager.consumers.add(`${topic}@${group}`, {
    durable_name: group,
    ack_policy: 'explicit',
    max_ack_pending: 20_000,
  });
}

async function renderConfig(options: { name: string; home: string; port: number; leafNodes: string }): Promise<string> {
  const { name, home, port, leafNodes } = options;
  return [
    `server_name: "${name}"`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${await freePort()}"`,
    `log_file: "${join(home, 'server.log')}"`,
    'max_payload: 1114112',
    `jetstream: { domain: "${name}", store_dir: "${join(home, 'jetstream')}" }`,
    `leafnodes: { ${leafNodes} }`,
    '',
  ].join('\n');
}

function tlsBlock({ cert, key, ca }: CertificateFiles): string {
  const files = `cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}"`;
  return `tls: { ${files}, verify: true, handshake_first: true, min_version: "1.3" }`;
}
