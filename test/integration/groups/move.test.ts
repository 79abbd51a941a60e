/** The fork: feeder publishes job at origin, nearby at east; job@work is served at east and west. */
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { afterEach, expect, test } from 'vitest';
import { withControl } from '../../../cli/control-verb.ts';
import type { MethodName, RequestOf, ResponseOf } from '../../../src/api/methods.ts';
import { labKill, labStart } from '../../../src/lab/index.ts';
import { Ledger, metricOf, publishSome, seeded, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { fork } from '../../support/topologies.ts';

const lab = useBus(`${fork}    topics:
      - name: job
        groups:
          - {name: work, terminals: [east, west], ackWaitMs: 2000, failoverAfterMs: 2000}
    apps:
      - {name: feeder,      terminal: origin, publish: [job]}
      - {name: nearby,      terminal: east,   publish: [job]}
      - {name: east-worker, terminal: east,   consume: [job@work]}
      - {name: west-worker, terminal: west,   consume: [job@work]}
`);

/** Loads that a test that failed left running would spoil the next one. */
const loads: { stop(): Promise<void> }[] = [];
function keep<T extends { stop(): Promise<void> }>(load: T): T {
  loads.push(load);
  return load;
}
afterEach(async () => {
  await Promise.all(loads.splice(0).map((load) => load.stop().catch(() => undefined)));
  await drain(false);
});

test('a drained terminal gives its backlog and all that is new to the other, and serves again afterwards', {
  timeout: 120_000,
}, async () => {
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/nearby', 'job.near', 1_500, ledger);
  const far = keep(await startPublisher(lab(), { app: 'acme/feeder', subject: 'job.far', perSecond: 300, ledger }));
  const near = keep(await startPublisher(lab(), { app: 'acme/nearby', subject: 'job.near', perSecond: 100, ledger }));
  const east = keep(await startConsumer(lab(), 'acme/east-worker', 'job@work', ledger));
  const west = keep(await startConsumer(lab(), 'acme/west-worker', 'job@work', ledger));
  await delay(2_000);
  await drain(true);
  await until('consumers at east get nothing more', () => isPaused('east'), 20_000);
  // what keeps coming from the publisher at east moves on too, so a little is always on its way
  await until('the backlog has left east', async () => (await waiting('east')) < 300, 30_000);
  await until('nobody at east holds a message', async () => (await durable('east')).num_ack_pending === 0, 10_000);
  const seenAtEast = await seenBy('east');
  await delay(1_500);
  expect(await seenBy('east')).toBe(seenAtEast);
  await drain(false);
  await until('consumers at east go on', async () => !(await isPaused('east')), 15_000);
  // the durable was set behind what has moved, and counts from there
  const seenBefore = await seenBy('east');
  await until('east serves again', async () => (await seenBy('east')) > seenBefore + 50, 15_000);
  await Promise.all([far.stop(), near.stop()]);
  const verdict = await ledger.settle();
  await Promise.all([east.stop(), west.stop()]);
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(await moved()).toBeGreaterThan(100);
});

test('consumers gone from one terminal: new messages and the backlog go to the other, and return with them', {
  timeout: 120_000,
}, async () => {
  const ledger = new Ledger();
  const far = keep(await startPublisher(lab(), { app: 'acme/feeder', subject: 'job.far', perSecond: 300, ledger }));
  const near = keep(await startPublisher(lab(), { app: 'acme/nearby', subject: 'job.near', perSecond: 100, ledger }));
  const east = keep(await startConsumer(lab(), 'acme/east-worker', 'job@work', ledger));
  const west = keep(await startConsumer(lab(), 'acme/west-worker', 'job@work', ledger));
  await until('east serves the origin', async () => (await seenBy('east')) > 500, 20_000);
  const movedBefore = await moved();
  await east.stop();
  const seenAtEast = await seenBy('east');
  await until('the backlog moves', async () => (await moved()) > movedBefore + 200, 20_000);
  // what keeps coming from the publisher at east moves on too
  await until('little waits at east', async () => (await waiting('east')) < 300, 20_000);
  expect(await seenBy('east')).toBe(seenAtEast);
  const back = keep(await startConsumer(lab(), 'acme/east-worker', 'job@work', ledger));
  await until('east serves again', async () => (await seenBy('east')) > seenAtEast + 200, 20_000);
  await Promise.all([far.stop(), near.stop()]);
  const verdict = await ledger.settle();
  await Promise.all([back.stop(), west.stop()]);
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
});

test('a move killed at any point is finished by the next life, once', { timeout: 180_000 }, async () => {
  const random = seeded(7);
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/nearby', 'job.near', 6_000, ledger);
  await until('the backlog is at east', async () => (await waiting('east')) >= 6_000, 20_000);
  await drain(true);
  for (const [site, part] of [
    ['east', 'sidecar'],
    ['west', 'sidecar'],
    ['east', 'server'],
    ['east', 'sidecar'],
    ['west', 'server'],
    ['east', 'sidecar'],
  ] as const) {
    await delay(200 + random(1_500));
    await labKill(lab().dir, site, part);
    await labStart(lab().dir, site, part);
  }
  await until('nothing is left at east', async () => (await waiting('east')) === 0, 60_000);
  const west = keep(await startConsumer(lab(), 'acme/west-worker', 'job@work', ledger));
  const verdict = await ledger.settle();
  await west.stop();
  await drain(false);
  await until('consumers at east go on', async () => !(await isPaused('east')), 15_000);
  const east = keep(await startConsumer(lab(), 'acme/east-worker', 'job@work', ledger));
  await delay(1_500);
  await east.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  expect(ledger.verdict()).toEqual({ lost: [], doubled: [], changed: [] });
});

test('what has moved stays away when nats-server is killed afterwards', { timeout: 120_000 }, async () => {
  const ledger = new Ledger();
  // a marker in the first of the stream's blocks, and more than two blocks of 8 MB behind it
  await publishSome(lab(), 'acme/feeder', 'job.far', 1, ledger);
  for (let part = 0; part < 13; part++) await publishSome(lab(), 'acme/nearby', 'job.near', 100, ledger, 16 * 1024);
  await drain(true);
  await until('nothing is left at east', async () => (await waiting('east')) === 0, 60_000);
  await drain(false);
  await until('consumers at east go on', async () => !(await isPaused('east')), 15_000);
  await labKill(lab().dir, 'east', 'server');
  await labStart(lab().dir, 'east', 'server');
  const west = keep(await startConsumer(lab(), 'acme/west-worker', 'job@work', ledger));
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  const east = keep(await startConsumer(lab(), 'acme/east-worker', 'job@work', ledger));
  await publishSome(lab(), 'acme/nearby', 'job.next', 1, ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await Promise.all([west.stop(), east.stop()]);
  expect(ledger.verdict()).toEqual({ lost: [], doubled: [], changed: [] });
});

async function call<M extends MethodName>(method: M, request: RequestOf<M>): Promise<ResponseOf<M>> {
  return withControl({ dir: lab().dir }, (control) => control.call(method, request));
}

function drain(isDraining: boolean): Promise<unknown> {
  return call('terminal.drain', { customer: 'acme', site: 'east', isDraining });
}

async function durable(site: string) {
  const nc = await lab().connect(`acme/${site}-worker`);
  try {
    const consumer = await jetstream(nc).consumers.get('job@work', 'work');
    return await consumer.info();
  } finally {
    await nc.close();
  }
}

async function waiting(site: string): Promise<number> {
  const info = await durable(site);
  return info.num_pending + info.num_ack_pending;
}

async function seenBy(site: string): Promise<number> {
  return (await durable(site)).delivered.consumer_seq;
}

function moved(): Promise<number> {
  return metricOf(lab(), 'east', 'mbus_messages_moved_total');
}

async function isPaused(site: string): Promise<boolean> {
  return (await durable(site)).paused === true;
}

async function until(what: string, isTrue: () => Promise<boolean>, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await isTrue().catch(() => false))) {
    if (performance.now() > end) expect.fail(`not within ${withinMs} ms: ${what}`);
    await delay(200);
  }
}
