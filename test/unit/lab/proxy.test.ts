import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Direction, LinkProxy } from '../../../src/lab/proxy.ts';
import { closeAll, dial, startSink, until } from '../../support/tcp.ts';

const proxies: LinkProxy[] = [];

async function proxyTo(port: number): Promise<LinkProxy> {
  const proxy = await LinkProxy.listen({ host: '127.0.0.1', port });
  proxies.push(proxy);
  return proxy;
}

afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
  closeAll();
});

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Writes `total` bytes in chunks of random size and returns what it wrote. */
async function writeRandom(socket: Socket, total: number): Promise<Buffer> {
  const bytes = randomBytes(total);
  for (let at = 0; at < total; ) {
    const next = Math.min(total, at + 1 + Math.floor(Math.random() * 20_000));
    if (!socket.write(bytes.subarray(at, next))) await once(socket, 'drain');
    at = next;
    if (Math.random() < 0.3) await new Promise((resolve) => setImmediate(resolve));
  }
  return bytes;
}

describe('an open link', () => {
  test('carries bytes both ways and counts them', async () => {
    const sink = await startSink((socket) => socket.pipe(socket));
    const proxy = await proxyTo(sink.port);
    const client = await dial(proxy.port);
    const back: Buffer[] = [];
    client.on('data', (chunk) => back.push(chunk));
    const sent = await writeRandom(client, 300_000);
    await until('echo is complete', () => Buffer.concat(back).length === sent.length);
    expect(sha(Buffer.concat(back))).toBe(sha(sent));
    expect(proxy.stats.bytes).toEqual({ up: sent.length, down: sent.length });
  });

  test('hands on the end of a stream after its last byte and still carries the answer', async () => {
    const server = await startSink((socket) => {
      let size = 0;
      socket.on('data', (chunk) => {
        size += chunk.length;
      });
      socket.on('end', () => socket.end(`got ${size}`));
    });
    const proxy = await proxyTo(server.port);
    proxy.shape({ delayMs: 20 });
    const client = await dial(proxy.port);
    const answer: Buffer[] = [];
    client.on('data', (chunk) => answer.push(chunk));
    client.end(randomBytes(100_000));
    await once(client, 'end');
    expect(Buffer.concat(answer).toString()).toBe('got 100000');
    await until('connection is forgotten', () => proxy.stats.connections === 0);
  });

  test('closes a connection whose target refuses, and follows the target to another port', async () => {
    const first = await startSink();
    const proxy = await proxyTo(1);
    const refused = await dial(proxy.port);
    await until('refused connection closes', () => refused.destroyed);
    proxy.retarget({ host: '127.0.0.1', port: first.port });
    (await dial(proxy.port)).write('x');
    await until('byte arrives at the new target', () => first.receivedBytes() === 1);
  });

  test('stops reading from a sender whose receiver does not read', async () => {
    const sink = await startSink((socket) => socket.pause());
    const proxy = await proxyTo(sink.port);
    proxy.shape({ mbit: 100 });
    const client = await dial(proxy.port);
    const chunk = Buffer.alloc(1024 * 1024);
    let isFull = false;
    for (let sent = 0; sent < 64 && !isFull; sent++) {
      const hasRoom = client.write(chunk);
      if (!hasRoom)
        isFull = await Promise.race([once(client, 'drain').then(() => false), passMs(1000).then(() => true)]);
    }
    expect(isFull).toBe(true);
  });
});

function passMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('a shaped link', () => {
  test('keeps every byte in order under delay, jitter and a rate', async () => {
    const sink = await startSink();
    const proxy = await proxyTo(sink.port);
    proxy.shape({ delayMs: 5, jitterMs: 20, mbit: 200 });
    const client = await dial(proxy.port);
    const sent = await writeRandom(client, 3_000_000);
    await until('all bytes arrive', () => sink.receivedBytes() === sent.length);
    expect(sha(sink.received())).toBe(sha(sent));
  });

  test('stays near its rate and never above it', async () => {
    const sink = await startSink();
    const proxy = await proxyTo(sink.port);
    proxy.shape({ mbit: 40 });
    const client = await dial(proxy.port);
    const startedMs = performance.now();
    const sent = await writeRandom(client, 4_000_000);
    await until('all bytes arrive', () => sink.receivedBytes() === sent.length);
    const mbit = (sent.length * 8) / 1000 / (performance.now() - startedMs);
    expect(mbit).toBeLessThan(40.5);
    expect(mbit).toBeGreaterThan(16);
  });

  test('delays each way by at least what it was told', async () => {
    const sink = await startSink((socket) => socket.pipe(socket));
    const proxy = await proxyTo(sink.port);
    proxy.shape({ delayMs: 60 });
    const client = await dial(proxy.port);
    const startedMs = performance.now();
    client.write('ping');
    await once(client, 'data');
    const roundTripMs = performance.now() - startedMs;
    expect(roundTripMs).toBeGreaterThanOrEqual(119);
    expect(roundTripMs).toBeLessThan(1000);
  });

  test('delay alone does not throttle: many chunks are under way at once', async () => {
    const sink = await startSink();
    const proxy = await proxyTo(sink.port);
    proxy.shape({ delayMs: 100 });
    const client = await dial(proxy.port);
    const startedMs = performance.now();
    const sent = await writeRandom(client, 8_000_000);
    await until('all bytes arrive', () => sink.receivedBytes() === sent.length);
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  test('delivers what is queued at once when the shape is taken away', async () => {
    const sink = await startSink();
    const proxy = await proxyTo(sink.port);
    proxy.shape({ delayMs: 60_000 });
    (await dial(proxy.port)).write('late');
    await until('connection is there', () => proxy.stats.connections === 1);
    proxy.shape({});
    await until('byte arrives', () => sink.receivedBytes() === 4, 2000);
  });
});

describe('a cut link', () => {
  test('closes what stands, closes what is dialled, and carries nothing', async () => {
    const sink = await startSink();
    const proxy = await proxyTo(sink.port);
    const client = await dial(proxy.port);
    client.write('before');
    await until('bytes arrive', () => sink.receivedBytes() === 6);
    proxy.cut();
    const carried = proxy.stats.bytes;
    await until('both ends are closed', () => client.destroyed && sink.sockets.every((socket) => socket.destroyed));
    const again = await dial(proxy.port).catch(() => undefined);
    again?.write('during');
    await until('a new connection is closed', () => again === undefined || again.destroyed);
    expect(proxy.stats.bytes).toEqual(carried);
    expect(sink.receivedBytes()).toBe(6);
    proxy.restore();
    (await dial(proxy.port)).write('after');
    await until('the restored link carries', () => sink.receivedBytes() === 11);
  });
});

describe('a silent link', () => {
  test('holds bytes, closes nothing, and carries on in order when restored', async () => {
    const sink = await startSink();
    const proxy = await proxyTo(sink.port);
    const client = await dial(proxy.port);
    client.write('one ');
    await until('bytes arrive', () => sink.receivedBytes() === 4);
    proxy.silence();
    client.write('two ');
    const late = await dial(proxy.port);
    late.write('late');
    await until('both connections stand', () => proxy.stats.connections === 2);
    await passMs(100);
    expect(sink.received().toString()).toBe('one ');
    expect(client.destroyed || late.destroyed).toBe(false);
    expect(proxy.stats.bytes).toEqual({ up: 4, down: 0 });
    proxy.restore();
    client.write('three');
    await until('all bytes arrive', () => sink.receivedBytes() === 17);
    expect(sink.received().toString().replace('late', '')).toBe('one two three');
  });

  test('does not let the end of a stream through until it is restored', async () => {
    const sink = await startSink();
    const proxy = await proxyTo(sink.port);
    const client = await dial(proxy.port);
    client.write('x');
    await until('byte arrives', () => sink.receivedBytes() === 1);
    proxy.silence();
    client.end('y');
    await passMs(100);
    expect(sink.sockets[0]?.readableEnded).toBe(false);
    proxy.restore();
    await until('the end arrives after the last byte', () => sink.sockets[0]?.readableEnded === true);
    expect(sink.received().toString()).toBe('xy');
  });
});

describe('a tap', () => {
  test('sees every byte of both directions, and the link waits while it is full', async () => {
    const sink = await startSink((socket) => socket.pipe(socket));
    const proxy = await proxyTo(sink.port);
    const seen: Record<Direction, Buffer[]> = { up: [], down: [] };
    let isFull = false;
    const untap = proxy.tap({ isFull: () => isFull, write: (direction, bytes) => seen[direction].push(bytes) });
    const client = await dial(proxy.port);
    const sent = await writeRandom(client, 200_000);
    await until('echo passed the tap', () => Buffer.concat(seen.down).length === sent.length);
    expect(sha(Buffer.concat(seen.up))).toBe(sha(sent));
    isFull = true;
    client.write('held');
    await passMs(50);
    expect(proxy.stats.bytes.up).toBe(sent.length);
    untap();
    await until('the link goes on without the tap', () => proxy.stats.bytes.up === sent.length + 4);
  });
});
