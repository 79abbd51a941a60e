/**
 * One sidecar per site directory. The lock is a listening socket whose name is derived from the directory: the kernel
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

/** E_SIDECAR_RUNNING when another process holds it. */
export async function lockSite(path: string): Promise<SiteLock> {
  const name = createHash('sha256').update(realpathSync(path)).digest('hex').slice(0, 32);
  // Linux has names outside the file system; elsewhere a file that may be left over
  const isAbstract = platform() === 'linux';
  const address = isAbstract ? `\0mbus-site-${name}` : join(tmpdir(), `mbus-site-${name}.sock`);
  const server = (await listen(address)) ?? (isAbstract ? undefined : await replaceStale(address));
  if (!server) throw new BusError('E_SIDECAR_RUNNING', `a sidecar already runs for ${path}`, { details: { path } });
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
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
  const isLive = await new Promise<boolean>((resolve) => {
    const socket = connect(address);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });
  if (isLive) return undefined;
  rmSync(address, { force: true });
  return listen(address);
}
