/**
 * Mosquitto with a bridge of QoS 1 over TLS: two brokers that keep their sessions on disk. They acknowledge from memory and
 * write a snapshot now and then: every `autosaveSeconds`, 1,800 by default.
 */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LinkProxy } from '../../src/lab/index.ts';
import type { Contender, Route, RouteOptions } from '../contender.ts';
import { freePort, until } from '../wait.ts';
import { type CertificateFiles, writeCertificates } from './certificates.ts';
import { linkOf } from './link.ts';
import { MqttClient } from './mqtt.ts';
import { endProcess } from './processes.ts';

export interface MosquittoOptions {
  dir: string;
  binary: string;
  autosaveSeconds?: number;
}

interface Ports {
  near: number;
  far: number;
  farTls: number;
}

export async function startMosquitto(options: MosquittoOptions): Promise<Contender> {
  const { dir, autosaveSeconds } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const ports = { near: await freePort(), far: await freePort(), farTls: await freePort() };
  const proxy = await LinkProxy.listen({ host: '127.0.0.1', port: ports.farTls });
  const files = await writeCertificates(dir);
  const far = await startBroker(options, 'far', farLines(ports, files));
  const near = await startBroker(options, 'near', nearLines(ports, proxy.port, files));
  await Promise.all([ports.near, ports.far].map((port) => listening(port)));
  return {
    name: autosaveSeconds === undefined ? 'Mosquitto bridge' : `Mosquitto bridge, autosave ${autosaveSeconds} s`,
    route: (route) => openRoute(route, ports, proxy),
    ...linkOf(proxy),
    stop: async () => {
      await Promise.all([near, far].map((child) => endProcess(child)));
      await proxy.close();
    },
  };
}

/** The far group is a session that stays; what it gets is kept until somebody listens. */
async function openRoute({ topic }: RouteOptions, ports: Ports, proxy: LinkProxy): Promise<Route> {
  const kept: Buffer[] = [];
  let taken = 0;
  let take: ((payload: Buffer) => void) | undefined;
  const onMessage = (payload: Buffer): void => {
    if (take === undefined) kept.push(payload);
    else take(payload);
  };
  const source = await MqttClient.connect({ port: ports.near, clientId: `source-${topic}` });
  const sink = await MqttClient.connect({ port: ports.far, clientId: `sink-${topic}`, onMessage });
  await sink.subscribe(topic);
  return {
    publish: (payload) => source.publish(topic, payload),
    fill: async (payloads) => {
      const acks: Promise<void>[] = [];
      for (const payload of payloads) {
        acks.push(source.publish(topic, payload));
        if (acks.length >= 1_000) await Promise.all(acks.splice(0));
      }
      await Promise.all(acks);
    },
    hold: async () => proxy.cut(),
    start: async () => proxy.restore(),
    arrived: async () => kept.length - taken,
    listen: async (listener) => {
      take = (payload) => listener(payload, 0);
      for (const payload of kept.splice(taken)) take(payload);
      taken = 0;
      return async () => {
        take = undefined;
      };
    },
    close: async () => {
      await Promise.all([source.close(), sink.close()]);
    },
  };
}

async function startBroker({ dir, binary, autosaveSeconds }: MosquittoOptions, name: string, lines: string[]) {
  const home = join(dir, name);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const common = [
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${home}/`,
    `log_dest file ${join(home, 'log')}`,
    // a backlog is not dropped, and the window is not what bounds it
    'max_queued_messages 0',
    'max_inflight_messages 0',
    // it gives up root for a user that cannot write here
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    ...(autosaveSeconds === undefined ? [] : [`autosave_interval ${autosaveSeconds}`]),
  ];
  const config = join(home, 'mosquitto.conf');
  await writeFile(config, `${[...common, ...lines].join('\n')}\n`);
  return spawn(binary, ['-c', config], { stdio: 'ignore' });
}

function nearLines({ near }: Ports, linkPort: number, { cert, key, ca }: CertificateFiles): string[] {
  return [
    `listener ${near} 127.0.0.1`,
    'connection bench',
    `address 127.0.0.1:${linkPort}`,
    'topic # out 1',
    'cleansession false',
    'restart_timeout 1',
    `bridge_cafile ${ca}`,
    `bridge_certfile ${cert}`,
    `bridge_keyfile ${key}`,
  ];
}

function farLines({ far, farTls }: Ports, { cert, key, ca }: CertificateFiles): string[] {
  const tls = [`cafile ${ca}`, `certfile ${cert}`, `keyfile ${key}`, 'require_certificate true'];
  return [`listener ${far} 127.0.0.1`, `listener ${farTls} 127.0.0.1`, ...tls];
}

async function listening(port: number): Promise<void> {
  await until('MQTT broker', async () => {
    const client = await MqttClient.connect({ port, clientId: 'probe' }).catch(() => undefined);
    await client?.close();
    return client;
  });
}
