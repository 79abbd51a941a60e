/**
 * One sidecar per site directory, or one for each of its seats. The lock is a listening socket whose name is derived from the directory: the kernel
 * gives it up with the process, so a crash leaves nothing behind and a reused pid means nothing.
 */
import { createHash } from 'node:crypto';
import { realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BusError } from '../errors.ts';
import { isErrno } from '../trust/index.ts';

export interface SiteLock {
  release(): Promise<void>;
}

/** Seats of one site, of which one process each may have one. */
export const mostSeats = 9;

/** Of the whole site, or of one seat of it; neither while the other is held. E_SIDECAR_RUNNING */
export async function lockSite(path: string, seat?: number): Promise<SiteLock> {
  const server = await bind(addressOf(path, seat));
  const seats = Array.from({ length: mostSeats }, (_, at) => at + 1);
  const others = seat === undefined ? seats : [undefined];
  const held = await Promise.all(others.map((other) => isLive(addressOf(path, other))));
  if (server === undefined || held.includes(true)) {
    server?.close();
    const place = seat === undefined ? path : `seat ${seat} of ${path}`;
    throw new BusError('E_SIDECAR_RUNNING', `a sidecar already runs for ${place}`, { details: { path, seat } });
  }
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

// Linux has names outside the file system; elsewhere a file that may be left over
const isAbstract = platform() === 'linux';

function addressOf(path: string, seat: number | undefined): string {
  const name = createHash('sha256').update(realpathSync(path)).digest('hex').slice(0, 32);
  const full = seat === undefined ? `mbus-site-${name}` : `mbus-site-${name}-${seat}`;
  return isAbstract ? `\0${full}` : join(tmpdir(), `${full}.sock`);
}

async function bind(address: string): Promise<Server | undefined> {
  return (await listen(address)) ?? (isAbstract ? undefined : await replaceStale(address));
}

/** The listening server, or undefined when the address is in use. */
function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => (isErrno(error, 'EADDRINUSE') ? resolve(undefined) : reject(error)));
    server.listen(address, () => resolve(server));
  });
}

async function replaceStale(address: string): Promise<Server | undefined> {
  if (await isLive(address)) return undefined;
  rmSync(address, { force: true });
  return listen(address);
}

/** Whether a process listens there. */
function isLive(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });
}
