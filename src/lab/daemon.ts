/**
 * The lab's daemon: holds every proxy of the lab in one process that outlives `lab up`, and does what the verbs ask
 * (daemon-api.ts). When it dies every link dies with it, as if all cables were pulled; the lab must then be started anew.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { BusError, errorText, isBusError } from '../errors.ts';
import { commandSchema, type LinkStats, tapHeadBytes } from './daemon-api.ts';
import { LinkProxy } from './proxy.ts';

const host = '127.0.0.1';
const maxRequestBytes = 64 * 1024;
const tapBacklogBytes = 4 * 1024 * 1024;

export interface LinkDaemon {
  stop(): Promise<void>;
}

/** Starts with no link; writes DIR/links.json once it answers. */
export async function startLinkDaemon(options: { dir: string }): Promise<LinkDaemon> {
  const token = randomBytes(32).toString('base64url');
  const links = new Map<string, LinkProxy>();
  const server = createServer((request, response) => {
    answer(links, token, request, response).catch((error: unknown) => refuse(response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  await writeFile(join(options.dir, 'links.json.new'), JSON.stringify({ port, token }), { mode: 0o600 });
  await rename(join(options.dir, 'links.json.new'), join(options.dir, 'links.json'));
  return { stop: () => stop(server, links) };
}

async function stop(server: Server, links: Map<string, LinkProxy>): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await Promise.all([...links.values()].map((link) => link.close()));
}

async function answer(
  links: Map<string, LinkProxy>,
  token: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isAllowed(request, token)) {
    response.writeHead(401).end();
    return;
  }
  const url = new URL(request.url ?? '/', `http://${host}`);
  if (request.method === 'GET' && url.pathname === '/tap') {
    tap(linkOf(links, url.searchParams.get('link') ?? ''), response);
    return;
  }
  if (request.method === 'POST') await run(links, commandSchema.parse(JSON.parse(await body(request))));
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(allStats(links)));
}

function isAllowed(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > maxRequestBytes)
      throw new BusError('E_USAGE', `lab daemon: a request of more than ${maxRequestBytes} bytes`);
  }
  return Buffer.concat(chunks).toString();
}

type Command = ReturnType<typeof commandSchema.parse>;

async function run(links: Map<string, LinkProxy>, command: Command): Promise<void> {
  switch (command.do) {
    case 'open':
      return open(links, command.link, [command.targetPort, ...(command.moreTargets ?? [])]);
    case 'close':
      await links.get(command.link)?.close();
      links.delete(command.link);
      return;
    case 'cut':
      return linkOf(links, command.link).cut();
    case 'silence':
      return linkOf(links, command.link).silence(command.direction);
    case 'restore':
      return restore(linkOf(links, command.link));
    case 'shape': {
      const { mbit, ...rest } = command.shape;
      return linkOf(links, command.link).shape({ ...rest, mbit: mbit ?? Number.POSITIVE_INFINITY });
    }
  }
}

async function open(links: Map<string, LinkProxy>, name: string, ports: number[]): Promise<void> {
  const targets = ports.map((port) => ({ host, port }));
  const link = links.get(name);
  if (link) link.retarget(...targets);
  else links.set(name, await LinkProxy.listen(targets));
}

function restore(link: LinkProxy): void {
  if (link.stats.flow === 'open') link.shape({});
  else link.restore();
}

function linkOf(links: Map<string, LinkProxy>, name: string): LinkProxy {
  const link = links.get(name);
  if (link) return link;
  throw new BusError('E_LAB_NOUN', `no link ${name}: the lab has ${[...links.keys()].sort().join(', ') || 'none'}`);
}

function allStats(links: Map<string, LinkProxy>): LinkStats[] {
  return [...links].map(([link, proxy]) => {
    const { flow, shape, connections, bytes } = proxy.stats;
    const mbit = Number.isFinite(shape.mbit) ? shape.mbit : null;
    return {
      link,
      port: proxy.port,
      targetPort: proxy.target.port,
      flow,
      shape: { ...shape, mbit },
      connections,
      bytes,
    };
  });
}

function tap(link: LinkProxy, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  response.flushHeaders();
  const untap = link.tap({
    isFull: () => response.writableLength > tapBacklogBytes,
    write: (direction, bytes) => {
      const head = Buffer.alloc(tapHeadBytes);
      head.writeUInt8(direction === 'up' ? 0 : 1, 0);
      head.writeUInt32BE(bytes.length, 1);
      response.write(head);
      response.write(bytes);
    },
  });
  response.on('close', untap);
}

function refuse(response: ServerResponse, error: unknown): void {
  const code = isBusError(error) ? error.code : 'E_USAGE';
  if (response.headersSent) response.destroy();
  else
    response
      .writeHead(400, { 'content-type': 'application/json' })
      .end(JSON.stringify({ code, message: errorText(error) }));
}
