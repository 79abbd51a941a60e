/**
 * Ways through an HTTP proxy for a client library that knows none: per address a listener on loopback whose connections go
 * on through a tunnel (CONNECT) of the proxy. TLS runs through it end to end, so the proxy sees no more than addresses.
 */
import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface Tunnels {
  /** host:port on loopback, one per target in the same order */
  urls: string[];
  close(): void;
}

const connectMs = 5_000;

/** @param proxy http://host:port, or http://user:password@host:port @param targets host:port each */
export async function openTunnels(proxy: string, targets: readonly string[]): Promise<Tunnels> {
  const sockets = new Set<Socket>();
  const servers = targets.map((target) => createServer((client) => join(proxy, target, client, sockets)));
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  return {
    urls: servers.map(addressOf),
    close: () => {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Joins a client with a tunnel; a proxy that refuses or does not answer closes the client. */
function join(proxy: string, target: string, client: Socket, sockets: Set<Socket>): void {
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  keep(client);
  const { hostname, port } = new URL(proxy);
  const host = hostname.replace(/^\[|\]$/g, '');
  const asking = request({ host, port, method: 'CONNECT', path: target, headers: loginHeaders(new URL(proxy)) });
  asking.setTimeout(connectMs, () => asking.destroy());
  asking.on('error', () => client.destroy());
  asking.on('response', () => client.destroy());
  asking.on('connect', (response, upstream: Socket, head: Buffer) => {
    keep(upstream);
    if (response.statusCode !== 200) return void client.destroy();
    upstream.setTimeout(0);
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
    // the server speaks first: its greeting may come with the proxy's answer
    client.write(head);
    client.pipe(upstream).pipe(client);
  });
  asking.end();
}

function loginHeaders({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}

export function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
