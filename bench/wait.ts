/** Waiting for a condition, and a port that is free. */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BusError } from '../src/errors.ts';

const defaultPatienceMs = 60_000;

/** The first value that is not undefined. E_TIMEOUT */
export async function until<T>(
  what: string,
  check: () => Promise<T | undefined>,
  { patienceMs = defaultPatienceMs, pollMs = 5 } = {},
): Promise<T> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const value = await check();
    if (value !== undefined) return value;
    if (performance.now() > deadlineMs)
      throw new BusError('E_TIMEOUT', `bench: no ${what} within ${patienceMs / 1000} s`);
    await delay(pollMs);
  }
}

/** One on 127.0.0.1 that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === 'object' ? address.port : 0;
}
