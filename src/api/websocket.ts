/**
 * A way to a control replica through its WebSocket listener (RFC 6455 inside TLS 1.3), for a client library whose
 * WebSockets can be given neither the bus's CA nor a certificate: per address a listener on loopback that carries bytes to
 * binary frames and back. TLS ends here, so the server's INFO goes on without asking the client for it again.
 * A replica that is not one of this bus, or any frame nats-server does not send, ends the connection.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type RequestOptions, request } from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { BusError } from '../errors.ts';
import { splitAddress } from '../server/index.ts';
import { addressOf, type Tunnels } from './tunnel.ts';

/** CA, certificate and key of the client, and who the server must be. */
type WebsocketTls = Required<Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'checkServerIdentity'>>;

const handshakeMs = 5_000;
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const opcode = { continuation: 0, binary: 2, close: 8, ping: 9, pong: 10 } as const;
/** far above what a control replica sends as one frame, bytes */
const maxFrameBytes = 64 * 1024 * 1024;

/** @param targets host:port of WebSocket listeners */
export async function openWebsockets(targets: readonly string[], tls: WebsocketTls): Promise<Tunnels> {
  const sockets = new Set<Socket>();
  const servers: Server[] = targets.map((target) => createServer((client) => upgrade(target, tls, client, sockets)));
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

function upgrade(target: string, tls: WebsocketTls, client: Socket, sockets: Set<Socket>): void {
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  keep(client);
  const { host, port } = splitAddress(target);
  const key = randomBytes(16).toString('base64');
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
  };
  const asking = request({ ...tls, host, port, path: '/', headers, agent: false, minVersion: 'TLSv1.3' });
  asking.setTimeout(handshakeMs, () => asking.destroy());
  asking.on('error', () => client.destroy());
  asking.on('response', () => client.destroy());
  asking.on('upgrade', (response, upstream: Socket, head: Buffer) => {
    keep(upstream);
    upstream.setTimeout(0);
    upstream.on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
    if (response.headers['sec-websocket-accept'] !== acceptOf(key)) return void upstream.destroy();
    upstream.unshift(head);
    join(client, upstream);
  });
  asking.end();
}

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64');
}

function join(client: Socket, upstream: Socket): void {
  const unframe = unframing((pong) => void upstream.write(frameOf(opcode.pong, pong)));
  unframe.on('error', () => upstream.destroy());
  client.pipe(framing()).pipe(upstream);
  upstream.pipe(unframe).pipe(withoutTls()).pipe(client);
}

function framing(): Transform {
  return new Transform({
    transform: (chunk: Buffer, _, done) => done(null, frameOf(opcode.binary, chunk)),
    flush: (done) => done(null, frameOf(opcode.close, Buffer.alloc(0))),
  });
}

/** One whole frame, masked as clients must. */
function frameOf(code: number, payload: Buffer): Buffer {
  const mask = randomBytes(4);
  const extended = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = 0x80 | code;
  head[1] = 0x80 | (extended === 0 ? payload.length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(payload.length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(payload.length), 2);
  const masked = Buffer.from(payload);
  for (let at = 0; at < masked.length; at++) masked[at] = masked[at]! ^ mask[at % 4]!;
  return Buffer.concat([head, mask, masked]);
}

/** Payloads of the server's frames; pings are answered, a close ends it. */
function unframing(answer: (payload: Buffer) => void): Transform {
  let rest: Buffer = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _, done) {
      rest = Buffer.concat([rest, chunk]);
      for (let frame = readFrame(rest); frame !== undefined; frame = readFrame(rest)) {
        if (frame === 'bad')
          return done(new BusError('E_CONTROL_AWAY', 'the replica sent a WebSocket frame that is none'));
        rest = rest.subarray(frame.bytes);
        if (frame.code === opcode.close) return void this.push(null);
        if (frame.code === opcode.ping) answer(frame.payload);
        if (frame.code === opcode.binary || frame.code === opcode.continuation) this.push(frame.payload);
      }
      done();
    },
  });
}

interface Frame {
  code: number;
  payload: Buffer;
  /** of the whole frame */
  bytes: number;
}

/** Undefined while the frame is not whole. Masked, compressed and overlong frames are no server's. */
function readFrame(bytes: Buffer): Frame | 'bad' | undefined {
  if (bytes.length < 2) return undefined;
  const [first, second] = [bytes[0]!, bytes[1]!];
  const extended = second === 126 ? 2 : second === 127 ? 8 : 0;
  if ((first & 0x70) !== 0 || second > 127) return 'bad';
  if (bytes.length < 2 + extended) return undefined;
  const length = extended === 0 ? second : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (length > maxFrameBytes) return 'bad';
  const start = 2 + extended;
  if (bytes.length < start + length) return undefined;
  return { code: first & 0x0f, payload: bytes.subarray(start, start + length), bytes: start + length };
}

/** The first line is the server's INFO: it loses what would make the client begin TLS inside the WebSocket. */
function withoutTls(): Transform {
  let head: Buffer | undefined = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (head === undefined) return done(null, chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n');
      if (end < 0) return done();
      const line = head
        .subarray(0, end)
        .toString('utf8')
        .replace(/"tls_(required|available)":true,?/g, '');
      const whole = Buffer.concat([Buffer.from(line.replace(/,}$/, '}')), head.subarray(end)]);
      head = undefined;
      done(null, whole);
    },
  });
}
