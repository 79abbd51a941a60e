/**
 * Real nats-servers for tests: free ports on loopback, directories of their own that stay when a test fails, and every
 * server stopped by its own handle.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach } from 'vitest';
import { findServer } from '../../src/server/index.ts';

/** A port that is free now. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0));
    });
  });
}

export async function freeAddress(): Promise<string> {
  return `127.0.0.1:${await freePort()}`;
}

/** Path of the nats-server under test. */
export async function natsBinary(): Promise<string> {
  return (await findServer()).path;
}

/** Polls until `check` gives a value that is neither false nor undefined; fails with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(20);
  }
}

export interface TestScope {
  /** a fresh directory, removed after the test unless it failed */
  dir(name?: string): string;
  /** undone after the test, newest first */
  onEnd(release: () => Promise<unknown> | unknown): void;
}

/** Registers the clean-up of a test file; call it once at the top. */
export function testScope(): TestScope {
  const dirs: string[] = [];
  const releases: (() => Promise<unknown> | unknown)[] = [];
  afterEach(async (context) => {
    const failures: unknown[] = [];
    for (let release = releases.pop(); release; release = releases.pop()) {
      await Promise.resolve(release()).catch((error: unknown) => failures.push(error));
    }
    const isFailed = context.task.result?.state === 'fail';
    for (const dir of dirs.splice(0)) if (!isFailed) rmSync(dir, { recursive: true, force: true });
    if (failures.length > 0) throw failures[0];
  });
  return {
    dir: (name = 'mbus') => {
      const dir = mkdtempSync(join(tmpdir(), `${name}-`));
      dirs.push(dir);
      return dir;
    },
    onEnd: (release) => releases.push(release),
  };
}
