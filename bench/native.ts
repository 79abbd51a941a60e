/**
 * What the bus is measured against: two plain nats-servers, a leaf link of the same kind (TLS 1.3, both sides verified,
 * through the same proxy), and JetStream's own durable sourcing over it. No sealing, no receipts, no accounts.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { LinkProxy } from '../src/lab/index.ts';
import { silentLogger } from '../src/log.ts';
import { ensureServer, findServer } from '../src/server/index.ts';
import { createCa, createCsr, issueCertificate } from '../src/trust/index.ts';
import type { Route } from './measure.ts';

const group = 'far';

export interface NativePair {
  /** A fresh pair of streams per call: `topic` near, `topic@far` far. */
  route(topic: string): Promise<Route>;
  stop(): Promise<void>;
}

export async function startNative(dir: string): Promise<NativePair> {
  const releases: (() => Promise<unknown>)[] = [];
  const leafPort = await freePort();
  const proxy = await LinkProxy.listen({ host: '127.0.0.1', port: leafPort });
  releases.push(() => proxy.close());
  await writeCertificates(dir);
  const { path: binary } = await findServer();
  const start = async (name: string, leaf: string): Promise<NatsConnection> => {
    const home = join(dir, name);
    await mkdir(home, { recursive: true, mode: 0o700 });
    const port = await freePort();
    const configPath = join(home, 'server.conf');
    await writeFile(configPath, await renderConfig({ name, home, port, leaf }), { mode: 0o600 });
    const server = await ensureServer({ binary, configPath, dir: home, log: silentLogger });
    releases.push(() => server.stop());
    const nc = await connect({ servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1 });
    releases.push(() => nc.close());
    return nc;
  };
  const near = await start('near', `listen: "127.0.0.1:${leafPort}", ${tlsBlock(dir)}`);
  const remote = `{ url: "tls://127.0.0.1:${proxy.port}", ${tlsBlock(dir)} }`;
  const far = await start('far', `remotes: [${remote}]`);
  return {
    route: (topic) => openRoute(topic, near, far),
    stop: async () => {
      for (const release of releases.reverse()) await release();
    },
  };
}

/** The source fills first; the far stream is made by start(), so the whole backlog crosses at once. */
async function openRoute(topic: string, near: NatsConnection, far: NatsConnection): Promise<Route> {
  const [nearManager, farManager] = [await jetstreamManager(near), await jetstreamManager(far)];
  await nearManager.streams.add({ name: topic, subjects: [topic] });
  return {
    topic,
    group,
    near,
    far,
    hold: async () => undefined,
    start: () => addSourced(topic, nearManager, farManager),
    close: async () => {
      await farManager.streams.delete(`${topic}@${group}`);
      await nearManager.streams.delete(topic);
    },
  };
}

async function addSourced(topic: string, near: JetStreamManager, far: JetStreamManager): Promise<void> {
  const deliverSubject = `bench.deliver.${topic}`;
  await near.consumers.add(topic, {
    durable_name: 'sourcing',
    deliver_subject: deliverSubject,
    ack_policy: 'flow_control',
    flow_control: true,
    idle_heartbeat: 1_000_000_000,
  });
  await far.streams.add({
    name: `${topic}@${group}`,
    retention: 'workqueue',
    sources: [
      {
        name: topic,
        external: { api: '$JS.near.API', deliver: '' },
        consumer: { name: 'sourcing', deliver_subject: deliverSubject },
      },
    ],
  });
  await far.consumers.add(`${topic}@${group}`, {
    durable_name: group,
    ack_policy: 'explicit',
    max_ack_pending: 10_000,
  });
}

async function renderConfig(options: { name: string; home: string; port: number; leaf: string }): Promise<string> {
  const { name, home, port, leaf } = options;
  return [
    `server_name: "${name}"`,
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${await freePort()}"`,
    `log_file: "${join(home, 'server.log')}"`,
    'max_payload: 1114112',
    `jetstream: { domain: "${name}", store_dir: "${join(home, 'jetstream')}" }`,
    `leafnodes: { reconnect: "200ms", compression: off, ${leaf} }`,
    '',
  ].join('\n');
}

function tlsBlock(dir: string): string {
  const files = `cert_file: "${dir}/cert.pem", key_file: "${dir}/key.pem", ca_file: "${dir}/ca.pem"`;
  return `tls: { ${files}, verify: true, handshake_first: true, min_version: "1.3" }`;
}

async function writeCertificates(dir: string): Promise<void> {
  const ca = await createCa({ name: 'bench' });
  const { keyPem, csrPem } = await createCsr({ commonName: 'bench' });
  const certPem = issueCertificate({ ca, csrPem, commonName: 'bench', names: ['127.0.0.1'], days: 1 });
  await writeFile(join(dir, 'key.pem'), keyPem, { mode: 0o600 });
  await writeFile(join(dir, 'cert.pem'), certPem);
  await writeFile(join(dir, 'ca.pem'), ca.certPem);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === 'object' ? address.port : 0;
}
