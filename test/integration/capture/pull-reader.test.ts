/**
 *   publisher ─▶ stream trade ─cursor─▶ reader      two nats-servers with a leaf link; the reader's process is killed
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import type { SnapshotTopic } from '../../../src/api/snapshot.ts';
import { ensureCaptureStream } from '../../../src/capture/capture-stream.ts';
import { PullReader } from '../../../src/capture/pull-reader.ts';
import { createCursor } from '../../../src/capture/stored-cursors.ts';
import { eventually, freePort, natsBinary, testScope } from '../../support/nats-server.ts';

const scope = testScope();
const topic = { id: 'o1', name: 'trade', maxBytes: 64 * 1024 * 1024, dedupeMs: 100 } as SnapshotTopic;

test('what a killed process had asked for comes to the next one at once', async () => {
  const port = await startLeafPair();
  const nc = await open(port);
  const jsm = await jetstreamManager(nc);
  const { name: stream } = await ensureCaptureStream(jsm, topic, { maxMessageBytes: 1024 });
  const { durable } = await createCursor(jsm, stream, { duties: [], sentUpTo: 0 }, null);
  const child = fork(join(import.meta.dirname, 'reader-process.ts'), [String(port), stream, durable]);
  scope.onEnd(() => child.kill('SIGKILL'));
  await eventually('an open pull', async () => (await jsm.consumers.info(stream, durable)).num_waiting === 1);
  const [hasRead] = [once(child, 'message'), await jetstream(nc).publish('trade.x', 'one')];
  expect(await hasRead).toEqual(['read', undefined]);
  await eventually('the pull is open still', async () => (await jsm.consumers.info(stream, durable)).num_waiting === 1);

  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  const seen: number[] = [];
  const lost: string[] = [];
  const reader = new PullReader({
    nc,
    stream,
    durable,
    pullBytes: () => 2_000_000,
    onWake: () => seen.push(...reader.take({ maxMessages: 10, maxBytes: 1_000_000 }).map(({ seq }) => seq)),
    onLost: (reason) => lost.push(reason),
  });
  scope.onEnd(() => reader.stop());
  await reader.start(async () => undefined);
  await jetstream(nc).publish('trade.x', 'two');
  // the pull of the killed process would have lived for three seconds
  await eventually('both messages', () => seen.length >= 2, 1_000);
  expect({ seen, lost }).toEqual({ seen: [1, 2], lost: [] });
});

/** Only with a leaf link does a server go on with a pull whose owner is gone. */
async function startLeafPair(): Promise<number> {
  const [dir, port, leafPort, farPort] = [scope.dir(), await freePort(), await freePort(), await freePort()];
  const near = `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${dir}/store" }\nleafnodes { listen: "127.0.0.1:${leafPort}" }`;
  const far = `listen: "127.0.0.1:${farPort}"\nleafnodes { remotes: [{ url: "nats://127.0.0.1:${leafPort}" }] }`;
  await startServer(join(dir, 'near.conf'), `server_name: near\n${near}`);
  const nc = await open(port);
  await startServer(join(dir, 'far.conf'), `server_name: far\n${far}`);
  const other = await open(farPort);
  const subscription = other.subscribe('hello', { callback: (_, message) => void message.respond() });
  await eventually('the leaf link', () => nc.request('hello', '', { timeout: 500 }).catch(() => undefined));
  subscription.unsubscribe();
  return port;
}

async function startServer(path: string, config: string): Promise<void> {
  await writeFile(path, config);
  const server = spawn(await natsBinary(), ['-c', path], { stdio: 'ignore' });
  scope.onEnd(async () => {
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  });
}

async function open(port: number): Promise<NatsConnection> {
  const nc = await eventually('nats-server', () => connect({ servers: `127.0.0.1:${port}` }).catch(() => undefined));
  scope.onEnd(() => nc.close());
  return nc;
}
