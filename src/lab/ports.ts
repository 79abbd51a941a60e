/**
 * Free ports on 127.0.0.1 for the parts of a lab. They come from below the kernel's ephemeral range, so that an outgoing
 * connection cannot sit on the port of a server that is down for a moment, and are held until their owner starts.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { BusError } from '../errors.ts';

const lowestPort = 10_240;
const attempts = 200;

export interface HeldPorts {
  ports: number[];
  release(): Promise<void>;
}

/** Binds `count` free ports and keeps them bound until release(). */
export async function holdPorts(count: number): Promise<HeldPorts> {
  const highest = (await ephemeralStart()) - 1;
  const held: Server[] = [];
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt++) {
    if (attempt > attempts + count) throw new BusError('E_LAB_START', `no ${count} free ports on 127.0.0.1`);
    const port = lowestPort + Math.floor(Math.random() * (highest - lowestPort + 1));
    const server = await bind(port);
    if (!server) continue;
    held.push(server);
    ports.push(port);
  }
  const release = async (): Promise<void> => {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  };
  return { ports, release };
}

async function ephemeralStart(): Promise<number> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '32768');
  const start = Number.parseInt(range, 10);
  return start > lowestPort + 1000 ? start : 32_768;
}

function bind(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
