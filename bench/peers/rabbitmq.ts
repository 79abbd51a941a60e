/**
 * RabbitMQ with a shovel over TLS: quorum queues on both sides, acknowledged at the source when the far broker has
 * confirmed. Each broker is a node of its own; epmd, Erlang's name service, is the bench's own on a port of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { LinkProxy } from '../../src/lab/index.ts';
import type { Contender, Route } from '../contender.ts';
import { freePort, until } from '../wait.ts';
import { type CertificateFiles, writeCertificates } from './certificates.ts';
import { linkOf } from './link.ts';
import { endProcess } from './processes.ts';

export interface RabbitOptions {
  dir: string;
  /** rabbitmq-server */
  binary: string;
}

const queue = 'work';
const user = 'bench';
const prefetch = 1_000;
const confirmEvery = 1_000;
const startMs = 90_000;

interface Broker {
  amqp: ChannelModel;
  child: ChildProcess;
}

interface BrokerOptions {
  name: string;
  port: number;
  epmdPort: number;
  password: string;
  config: string[];
  shovel?: Record<string, unknown>;
}

export async function startRabbit(options: RabbitOptions): Promise<Contender> {
  const { dir } = options;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const files = await writeCertificates(dir);
  const [nearPort, farPort, tlsPort, epmdPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const proxy = await LinkProxy.listen({ host: '127.0.0.1', port: tlsPort });
  const password = randomBytes(16).toString('hex');
  const epmd = spawn('epmd', ['-port', `${epmdPort}`, '-address', '127.0.0.1'], { stdio: 'ignore' });
  const common = { epmdPort, password };
  const shovel = shovelOf({ nearPort, linkPort: proxy.port, password, files });
  const [far, near] = await Promise.all([
    startBroker(options, { ...common, name: 'far', port: farPort, config: tlsLines(tlsPort, files) }),
    startBroker(options, { ...common, name: 'near', port: nearPort, config: [], shovel }),
  ]);
  return {
    name: 'RabbitMQ shovel',
    route: () => openRoute(near, far, proxy),
    ...linkOf(proxy),
    stop: async () => {
      await Promise.allSettled([near.amqp.close(), far.amqp.close()]);
      await Promise.all([near.child, far.child].map((child) => endProcess(child)));
      await endProcess(epmd);
      await proxy.close();
    },
  };
}

/** One queue for all routes, empty between them. */
async function openRoute(near: Broker, far: Broker, proxy: LinkProxy): Promise<Route> {
  const source = await near.amqp.createConfirmChannel();
  const sink = await far.amqp.createChannel();
  await sink.prefetch(prefetch);
  return {
    publish: (payload) =>
      new Promise<void>((resolve, reject) => {
        source.sendToQueue(queue, payload, { persistent: true }, (error) => (error ? reject(error) : resolve()));
      }),
    fill: async (payloads) => {
      let count = 0;
      for (const payload of payloads) {
        source.sendToQueue(queue, payload, { persistent: true });
        count += 1;
        if (count % confirmEvery === 0) await source.waitForConfirms();
      }
      await source.waitForConfirms();
    },
    hold: async () => proxy.cut(),
    start: async () => proxy.restore(),
    arrived: async () => (await sink.checkQueue(queue)).messageCount,
    listen: (take) => listen(sink, take),
    close: async () => {
      await Promise.all([source.close(), sink.close()]);
    },
  };
}

async function listen(sink: Channel, take: (payload: Uint8Array, group: number) => void): Promise<() => Promise<void>> {
  const { consumerTag } = await sink.consume(queue, (message) => {
    if (message === null) return;
    take(message.content, 0);
    sink.ack(message);
  });
  return async () => {
    await sink.cancel(consumerTag);
  };
}

async function startBroker({ dir, binary }: RabbitOptions, options: BrokerOptions): Promise<Broker> {
  const { name, port, epmdPort, password, config, shovel } = options;
  const home = join(dir, name);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const definitions = join(home, 'definitions.json');
  await writeFile(definitions, JSON.stringify(definitionsOf(password, shovel)), { mode: 0o600 });
  const lines = [`listeners.tcp.1 = 127.0.0.1:${port}`, `load_definitions = ${definitions}`, ...config];
  await writeFile(join(home, 'rabbitmq.conf'), `${lines.join('\n')}\n`);
  await writeFile(join(home, 'plugins'), '[rabbitmq_shovel].\n');
  const child = spawn(binary, [], {
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      HOME: dir,
      ERL_EPMD_PORT: `${epmdPort}`,
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `bench-${name}-${port}@localhost`,
      RABBITMQ_DIST_PORT: `${await freePort()}`,
      RABBITMQ_MNESIA_BASE: join(home, 'data'),
      RABBITMQ_LOG_BASE: join(home, 'log'),
      RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'plugins'),
      RABBITMQ_PID_FILE: join(home, 'pid'),
      // threads that spin while they wait would take the cores from everybody
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
    },
  });
  const amqp = await until(
    `RabbitMQ at ${name}`,
    () => connect(`amqp://${user}:${password}@127.0.0.1:${port}`).catch(() => undefined),
    { patienceMs: startMs, pollMs: 250 },
  );
  amqp.on('error', () => undefined);
  return { amqp, child };
}

/** What a broker has from its first start: user, queue, and the shovel of the near one. */
function definitionsOf(password: string, shovel: Record<string, unknown> | undefined): object {
  const salt = randomBytes(4);
  const digest = createHash('sha256')
    .update(Buffer.concat([salt, Buffer.from(password)]))
    .digest();
  const parameters = shovel === undefined ? [] : [{ vhost: '/', component: 'shovel', name: 'to-far', value: shovel }];
  return {
    users: [
      {
        name: user,
        password_hash: Buffer.concat([salt, digest]).toString('base64'),
        hashing_algorithm: 'rabbit_password_hashing_sha256',
        tags: 'administrator',
      },
    ],
    vhosts: [{ name: '/' }],
    permissions: [{ user, vhost: '/', configure: '.*', write: '.*', read: '.*' }],
    queues: [{ name: queue, vhost: '/', durable: true, auto_delete: false, arguments: { 'x-queue-type': 'quorum' } }],
    parameters,
  };
}

function shovelOf(options: { nearPort: number; linkPort: number; password: string; files: CertificateFiles }) {
  const { nearPort, linkPort, password, files } = options;
  const tls = new URLSearchParams({
    cacertfile: files.ca,
    certfile: files.cert,
    keyfile: files.key,
    verify: 'verify_peer',
    server_name_indication: 'localhost',
  });
  return {
    'src-protocol': 'amqp091',
    'src-uri': `amqp://${user}:${password}@127.0.0.1:${nearPort}`,
    'src-queue': queue,
    'src-prefetch-count': prefetch,
    'dest-protocol': 'amqp091',
    'dest-uri': `amqps://${user}:${password}@127.0.0.1:${linkPort}?${tls}`,
    'dest-queue': queue,
    'ack-mode': 'on-confirm',
    'reconnect-delay': 1,
  };
}

function tlsLines(port: number, { cert, key, ca }: CertificateFiles): string[] {
  return [
    `listeners.ssl.1 = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${ca}`,
    `ssl_options.certfile = ${cert}`,
    `ssl_options.keyfile = ${key}`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = true',
  ];
}
