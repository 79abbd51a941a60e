/** An HTTP proxy that opens tunnels (CONNECT) and nothing else, counting what went through. Stopped after the test. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { TestScope } from './nats-server.ts';

export interface ConnectProxy {
  /** http://host:port */
  url: string;
  /** host:port of every tunnel asked for, in order */
  targets: string[];
  /** bytes carried, both ways */
  bytes(): number;
  /** from now on every tunnel is refused, and those that stand are closed */
  refuse(): void;
}

/** @param login user:password that it asks for */
export async function startConnectProxy(scope: TestScope, login?: string): Promise<ConnectProxy> {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  let bytes = 0;
  let isRefusing = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((_, response) => void response.writeHead(405).end());
  server.on('connect', (request, client: Socket, head: Buffer) => {
    const target = request.url ?? '';
    targets.push(target);
    const [host = '', port = ''] = target.split(/:(?=\d+$)/);
    if (isRefusing) return void client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    if (login !== undefined && request.headers['proxy-authorization'] !== basic(login)) {
      return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    }
    const upstream = keep(connect(Number(port), host));
    keep(client);
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const closeAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  scope.onEnd(() => {
    closeAll();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    bytes: () => bytes,
    refuse: () => {
      isRefusing = true;
      closeAll();
    },
  };
}

function basic(login: string): string {
  return `Basic ${Buffer.from(login).toString('base64')}`;
}
