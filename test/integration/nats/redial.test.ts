/** A client whose wall clock goes back while its nats-server is away. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from '@nats-io/transport-node';
import { expect, test, vi } from 'vitest';
import { redialEvery } from '../../../src/nats/index.ts';
import { eventually, freePort, natsBinary, testScope } from '../../support/nats-server.ts';

const scope = testScope();
const hourMs = 3_600_000;

async function start(port: number): Promise<ChildProcess> {
  const child = spawn(await natsBinary(), ['-a', '127.0.0.1', '-p', `${port}`], { stdio: 'ignore' });
  scope.onEnd(() => kill(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

test('a clock that goes back by an hour between two attempts delays none of them', async () => {
  const port = await freePort();
  const server = await start(port);
  const redial = redialEvery(50, 20);
  const attempts = vi.fn(redial.reconnectToServer);
  const options = { servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1, ...redial, reconnectToServer: attempts };
  const nc = await eventually('nats-server', () => connect(options).catch(() => undefined));
  scope.onEnd(() => nc.close());
  const { now } = Date;
  const wall = vi.spyOn(Date, 'now').mockImplementation(() => now() + hourMs);
  scope.onEnd(() => wall.mockRestore());
  await kill(server);
  const before = attempts.mock.calls.length;
  await eventually('an attempt by the wrong clock', () => attempts.mock.calls.length > before + 1);
  wall.mockRestore();
  await start(port);
  await eventually('the connection', () => nc.rtt().catch(() => undefined));
});

test('attempts keep their distance', async () => {
  const port = await freePort();
  const server = await start(port);
  const times: number[] = [];
  const redial = redialEvery(100);
  const reconnectToServer: typeof redial.reconnectToServer = (pool, info) => {
    times.push(performance.now());
    return redial.reconnectToServer(pool, info);
  };
  const options = { servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1, ...redial, reconnectToServer };
  const nc = await eventually('nats-server', () => connect(options).catch(() => undefined));
  scope.onEnd(() => nc.close());
  times.length = 0;
  await kill(server);
  await eventually('six attempts', () => times.length >= 6);
  // each is asked for when the one before it has failed
  const [first = 0, , , , , sixth = 0] = times;
  expect(sixth - first).toBeGreaterThan(350);
});
