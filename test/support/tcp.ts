/**
 * Plain TCP ends for tests of the lab's proxy: a server that keeps what it was sent, and clients. Everything opened here is
 * closed by closeAll().
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';

const opened: (Server | Socket)[] = [];

export interface Sink {
  port: number;
  sockets: Socket[];
  received(): Buffer;
  receivedBytes(): number;
}

/** Collects what arrives, from all connections in order of arrival; `onSocket` may answer. */
export async function startSink(onSocket?: (socket: Socket) => void): Promise<Sink> {
  const chunks: Buffer[] = [];
  const sockets: Socket[] = [];
  let bytes = 0;
  const server = createServer((socket) => {
    opened.push(socket);
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (onSocket) return onSocket(socket);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
    });
  });
  opened.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, sockets, received: () => Buffer.concat(chunks), receivedBytes: () => bytes };
}

export async function dial(port: number): Promise<Socket> {
  const socket = tcpConnect({ port, host: '127.0.0.1', noDelay: true });
  opened.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

export function closeAll(): void {
  for (const thing of opened.splice(0)) {
    if ('destroy' in thing) thing.destroy();
    else thing.close();
  }
}

/** Asks every 2 ms until it is so, or fails after `timeoutMs` with the description. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
