/**
 *   old publisher ─▶ stream ORDERS ─▶ consumer legacy        a nats-server that knows nothing of the bus
 *                        │ mbus adopt
 *                        ▼
 *                 topic trade at tokyo ─▶ trade@risk ─▶ risk-engine
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useBus } from '../../support/bus.ts';
import { mbusHere, mbusJsonHere } from '../../support/cli.ts';
import { eventually, freePort, natsBinary } from '../../support/nats-server.ts';

const lab = useBus(`
sites: [{name: tokyo, mode: server, address: "tokyo.example.net:7422"}]
customers:
  - name: acme
    terminals: [tokyo]
    topics: [{name: trade, groups: [{name: risk, terminals: [tokyo]}]}]
    apps:
      - {name: adopter,     terminal: tokyo, publish: [trade]}
      - {name: risk-engine, terminal: tokyo, consume: [trade@risk]}
`);

const program = new URL('../../../cli/mbus.js', import.meta.url).pathname;
const total = 3_000;
let dir: string;
let server: ChildProcess;
let url: string;
let old: NatsConnection;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-adopt-'));
  const port = await freePort();
  server = spawn(await natsBinary(), ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', dir], { stdio: 'ignore' });
  url = `nats://127.0.0.1:${port}`;
  old = await eventually('the old server', () => connect({ servers: url, reconnect: false }).catch(() => undefined));
  const jsm = await jetstreamManager(old);
  await jsm.streams.add({ name: 'ORDERS', subjects: ['orders.>'] });
  await jsm.streams.add({ name: 'JOBS', subjects: ['jobs.>'], retention: 'workqueue' });
  for (const stream of ['ORDERS', 'JOBS'])
    await jsm.consumers.add(stream, { durable_name: 'legacy', ack_policy: AckPolicy.Explicit });
});

afterAll(async () => {
  await old?.close();
  server?.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

function adoptArgs(stream = 'ORDERS'): string[] {
  return ['adopt', stream, '--from', url, '--topic', 'trade', '--dir', lab().dir, '--app', 'acme/adopter'];
}

test('it says what it would do, and changes nothing', async () => {
  const plan = await mbusJsonHere(adoptArgs());
  expect(plan).toMatchObject({ from: 'orders.>', to: 'trade.>', consumers: ['legacy'], problems: [], copied: null });
  const consumers = await (await jetstreamManager(old)).consumers.list('ORDERS').next();
  expect(consumers.map(({ name }) => name)).toEqual(['legacy']);
});

test('a work queue with consumers is left alone', async () => {
  const looked = await mbusHere(adoptArgs('JOBS'));
  expect(looked).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('cannot be done: the stream is a work queue'),
  });
  expect(await mbusHere([...adoptArgs('JOBS'), '--run'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('E_ADOPT'),
  });
  const consumers = await (await jetstreamManager(old)).consumers.list('JOBS').next();
  expect(consumers.map(({ name }) => name)).toEqual(['legacy']);
});

test('each message comes to the group once, in order, though the copier is killed; the old clients go on', async () => {
  const published = publishAll();
  const copier = spawn(process.execPath, [program, ...adoptArgs(), '--run'], { stdio: 'ignore' });
  const copiedTo = async (): Promise<number> => {
    const all = await (await jetstreamManager(old)).consumers.list('ORDERS').next();
    return all.find(({ name }) => name.startsWith('mbus-adopt-trade-'))?.ack_floor.stream_seq ?? 0;
  };
  await eventually('some are copied', async () => (await copiedTo()) > 300, 60_000);
  copier.kill('SIGKILL');
  await once(copier, 'exit');
  await published;
  const rest = await mbusJsonHere<{ copied: number }>([...adoptArgs(), '--run', '--until-empty']);
  expect(rest.copied).toBeGreaterThan(0);
  const names = (await (await jetstreamManager(old)).consumers.list('ORDERS').next()).map(({ name }) => name);
  expect(names.filter((name) => name.startsWith('mbus-adopt-'))).toHaveLength(1);

  const wanted = Array.from({ length: total }, (_, n) => `trade.n${n} ${n} tag${n} id${n}`);
  expect(await takeAll(await lab().connect('acme/risk-engine'), 'trade@risk', 'risk', 'Adopted-Msg-Id')).toEqual(
    wanted,
  );
  const legacy = await takeAll(old, 'ORDERS', 'legacy', 'Nats-Msg-Id');
  expect(legacy).toEqual(wanted.map((line) => line.replace('trade', 'orders')));
}, 180_000);

async function publishAll(): Promise<void> {
  const js = jetstream(old);
  for (let n = 0; n < total; n++) {
    const head = headers();
    head.set('Tag', `tag${n}`);
    await js.publish(`orders.n${n}`, String(n), { headers: head, msgID: `id${n}` });
    if (n % 100 === 0) await delay(1);
  }
}

/** Subject, payload, header and id of each message, in the order in which they come, until all have come. */
async function takeAll(nc: NatsConnection, stream: string, durable: string, idHeader: string): Promise<string[]> {
  const consumer = await jetstream(nc).consumers.get(stream, durable);
  const taken: string[] = [];
  for (let isMore = true; isMore; ) {
    isMore = false;
    for await (const message of await consumer.fetch({ max_messages: 500, expires: 1_000 })) {
      isMore = true;
      taken.push(
        `${message.subject} ${message.string()} ${message.headers?.get('Tag')} ${message.headers?.get(idHeader)}`,
      );
      message.ack();
    }
    isMore ||= taken.length < total;
  }
  return taken;
}
