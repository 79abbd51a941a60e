/**
 * A control replica's own directory (0700; secrets 0600):
 *   control.json   replica id, addresses            admin.json, admin.creds   identity of the admin (src/api/admin.ts)
 *   master.key     opens the secrets in the database; kept elsewhere when MBUS_MASTER_KEY… says where
 *   nats/          nats-server: configuration, tokens, pid      tls/    its certificate and key
 *   postgres/      the embedded database, when there is no DATABASE_URL
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { writeAdminFile } from '../api/index.ts';
import { BusError } from '../errors.ts';
import { splitAddress } from '../server/index.ts';
import { createKey, makeDirs, readFileIfThere, seedText, writeFileAtomic } from '../trust/index.ts';

const controlFileSchema = z.strictObject({
  format: z.literal(1),
  replicaId: z.uuid(),
  /** host:port where admins and joining sites connect */
  listen: z.string(),
  /** host:port where sites' servers connect */
  leafListen: z.string(),
  /** host:port where sites' servers connect over WebSocket, and as they dial it */
  websocketListen: z.string().optional(),
  advertiseWebsocket: z.string().optional(),
  /** host:port where the other replicas connect */
  clusterListen: z.string(),
  /** host:port of nats-server's monitoring, on loopback */
  natsMonitor: z.string(),
  /** host:port of leaf and client listener as the others dial them */
  advertise: z.string(),
  advertiseClient: z.string(),
  advertiseCluster: z.string(),
});

export type ControlFile = z.output<typeof controlFileSchema>;

export interface InitControlOptions {
  dir: string;
  /** host:port each; port 0 takes a free one and keeps it */
  listen: string;
  leafListen: string;
  websocketListen?: string | undefined;
  clusterListen?: string | undefined;
  /** the leaf address as sites dial it; its host goes for the other listeners too */
  advertise?: string | undefined;
  advertiseWebsocket?: string | undefined;
  advertiseClient?: string | undefined;
  advertiseCluster?: string | undefined;
}

const masterKeyBytes = 32;

/** Makes the directory of a new replica: addresses, a master key, an admin identity. E_CONTROL_DIR when there is one. */
export async function initControl(options: InitControlOptions): Promise<ControlFile> {
  const dir = resolve(options.dir);
  if (await readFileIfThere(join(dir, 'control.json'))) {
    throw new BusError('E_CONTROL_DIR', `${dir} holds a control plane already: start it, or name another directory`);
  }
  await makeDirs(dir);
  const file = await addressesOf(options);
  await writeFileAtomic(masterKeyPath(dir), randomBytes(masterKeyBytes));
  const seed = randomBytes(32).toString('base64url');
  await writeAdminFile(dir, {
    format: 1,
    id: randomUUID(),
    seed,
    userSeed: seedText(createKey('user')),
    control: null,
  });
  await writeFileAtomic(join(dir, 'control.json'), `${JSON.stringify(file, null, 2)}\n`);
  return file;
}

export async function readControlFile(dir: string): Promise<ControlFile> {
  const path = join(dir, 'control.json');
  const text = await readFileIfThere(path);
  if (!text) throw new BusError('E_CONTROL_DIR', `${dir} is no control directory: run mbus init --dir ${dir}`);
  try {
    return controlFileSchema.parse(JSON.parse(text.toString('utf8')));
  } catch (cause) {
    throw new BusError('E_CONTROL_DIR', `${path} is damaged`, { cause });
  }
}

/** Where a control directory keeps its master key when it is kept nowhere else. */
export function masterKeyPath(dir: string): string {
  return join(dir, 'master.key');
}

async function addressesOf(options: InitControlOptions): Promise<ControlFile> {
  const listen = await withPort(options.listen);
  const leafListen = await withPort(options.leafListen);
  const clusterListen = await withPort(options.clusterListen ?? options.leafListen.replace(/\d+$/, '0'));
  const websocket = options.websocketListen === undefined ? undefined : await withPort(options.websocketListen);
  const host = (options.advertise ?? '').replace(/:\d+$/, '');
  const seen = (address: string): string => (host ? address.replace(/^.*(?=:\d+$)/, host) : dialable(address));
  return {
    format: 1,
    replicaId: randomUUID(),
    listen,
    leafListen,
    clusterListen,
    ...(websocket !== undefined && {
      websocketListen: websocket,
      advertiseWebsocket: options.advertiseWebsocket ?? seen(websocket),
    }),
    natsMonitor: await withPort('127.0.0.1:0'),
    advertise: options.advertise ?? seen(leafListen),
    advertiseClient: options.advertiseClient ?? seen(listen),
    advertiseCluster: options.advertiseCluster ?? seen(clusterListen),
  };
}

/** A wildcard host is nothing to dial; this machine can at least reach itself. */
function dialable(address: string): string {
  const { host, port } = splitAddress(address);
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The address with port 0 replaced by one that is free now. */
async function withPort(address: string): Promise<string> {
  const { host, port } = splitAddress(address);
  if (port !== 0) return address;
  const free = await new Promise<number>((found, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const bound = server.address();
      server.close(() => found(bound !== null && typeof bound === 'object' ? bound.port : 0));
    });
  });
  return address.replace(/:0$/, `:${free}`);
}
