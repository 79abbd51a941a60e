/**
 *   tokyo ══════ frankfurt     trade and order go from tokyo to frankfurt; order's group stream there is small, trade's
 *                              budget at tokyo is; what is full refuses or waits, says so, and goes on
 */

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import type { BusError } from '../../../src/errors.ts';
import { labCut, labKill, labRestore, labStart, labStatus } from '../../../src/lab/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { startSidecar } from '../../../src/sidecar.ts';
import { Ledger, publishSome, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { untilHandedOver } from '../../support/reports.ts';
import { until } from '../../support/tcp.ts';

const kibibyte = 1024;
const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links:
      - {between: [tokyo, frankfurt]}
    topics:
      - name: trade
        maxBytes: ${512 * kibibyte}
        groups:
          - {name: risk, terminals: [frankfurt]}
      - name: order
        groups:
          - {name: book, terminals: [frankfurt], maxBytes: ${256 * kibibyte}}
      - name: news
        groups:
          - {name: wall, terminals: [frankfurt], maxBytes: ${64 * kibibyte}, onFull: dropOldest}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade, order, news]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: book,        terminal: frankfurt, consume: [order@book]}
      - {name: wall,        terminal: frankfurt, consume: [news@wall]}
`);
const link = { customer: 'acme', a: 'tokyo', b: 'frankfurt' };

async function waiting(topic: string): Promise<{ outgoing: number; reason: string }> {
  const { sites, names } = await labStatus(lab().dir);
  const groups = sites.find(({ name }) => name === 'tokyo')?.report?.groups ?? [];
  const found = groups.find(({ topicId }) => names[topicId]?.endsWith(topic));
  return { outgoing: found?.outgoing ?? 0, reason: found?.reason ?? '' };
}

/** What a site says of its streams that are nearly full. */
async function nearlyFull(site: string): Promise<{ kind: string; heldBy: string }[]> {
  const { sites } = await labStatus(lab().dir);
  return sites.find(({ name }) => name === site)?.report?.limits ?? [];
}

test('a full group stream holds messages back at their origin, says why, and takes them once there is room', async () => {
  const ledger = new Ledger();
  const publisher = await startPublisher(lab(), {
    app: 'acme/exchange',
    subject: 'order.x',
    perSecond: 300,
    ledger,
    sizeOf: () => 2_000,
  });
  await until('more is published than fits', () => ledger.acked.size > 400, 20_000);
  await publisher.stop();
  await until(
    'status says how many wait, and why',
    async () => {
      const { outgoing, reason } = await waiting('order');
      return outgoing > 200 && /full|maximum bytes/i.test(reason);
    },
    30_000,
  );
  await until('frankfurt says who holds the space', async () =>
    (await nearlyFull('frankfurt')).some(
      ({ kind, heldBy }) => kind === 'group' && /consumers of book \(\d+ waiting/.test(heldBy),
    ),
  );
  // the topic beside it is not held back
  const beside = new Ledger();
  const risk = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', beside);
  await publishSome(lab(), 'acme/exchange', 'trade.x', 20, beside);
  expect(await beside.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await risk.stop();

  const consumer = await startConsumer(lab(), 'acme/book', 'order@book', ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  await untilHandedOver(lab(), 'tokyo', 'order@book');
});

test('a full capture stream refuses its publisher, drops nothing, and takes more once the far group has caught up', async () => {
  await labCut(lab().dir, link);
  const ledger = new Ledger();
  const publisher = await startPublisher(lab(), {
    app: 'acme/exchange',
    subject: 'trade.x',
    perSecond: 300,
    ledger,
    sizeOf: () => 4_000,
  });
  await until('the publisher is refused', () => ledger.refused.size > 0, 20_000);
  await publisher.stop();
  expect(new Set(ledger.refused.values())).toEqual(new Set([10077]));
  await until('tokyo says who holds the space', async () =>
    (await nearlyFull('tokyo')).some(
      ({ kind, heldBy }) => kind === 'capture' && /^risk \(\d+ messages\)$/.test(heldBy),
    ),
  );
  await labRestore(lab().dir, link);
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  const nc = await lab().connect('acme/exchange');
  await until(
    'there is room again',
    async () =>
      await jetstream(nc)
        .publish('trade.again', Buffer.alloc(4_000))
        .then(() => true)
        .catch(() => false),
  );
  await nc.close();
  await consumer.stop();
});

test('a group that drops its oldest keeps the newest, and says how many it dropped', async () => {
  const count = 200;
  const nc = await lab().connect('acme/exchange');
  for (let n = 0; n < count; n++) await jetstream(nc).publish('news.x', Buffer.alloc(2_000, n));
  await nc.close();
  await untilHandedOver(lab(), 'tokyo', 'news@wall');
  const far = await lab().connect('acme/wall');
  const consumer = await jetstream(far).consumers.get('news@wall', 'wall');
  const got: number[] = [];
  for (let message = await consumer.next(); message !== null; message = await consumer.next({ expires: 2_000 })) {
    got.push(message.data[0] ?? -1);
    message.ack();
  }
  await far.close();
  expect(got.length).toBeGreaterThan(10);
  expect(got).toEqual(Array.from({ length: got.length }, (_, n) => count - got.length + n));
  const dropped = async (): Promise<number> => {
    const { sites, names } = await labStatus(lab().dir);
    const rows = sites.find(({ name }) => name === 'frankfurt')?.report?.groups ?? [];
    return rows.find(({ groupId }) => names[groupId]?.endsWith('news@wall'))?.dropped ?? 0;
  };
  await until('the status counts what was dropped', async () => (await dropped()) === count - got.length, 20_000);
});

test('a second sidecar for the same site is refused, the first goes on', async () => {
  const second = startSidecar({ dir: join(lab().dir, 'sites/tokyo'), externalServer: true, log: silentLogger });
  await expect(second).rejects.toMatchObject({ code: 'E_SIDECAR_RUNNING' });
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  await publishSome(lab(), 'acme/exchange', 'trade.x', 5, ledger);
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
});

test('a monitoring port that is taken is named', async () => {
  await labKill(lab().dir, 'tokyo', 'sidecar');
  const taken = new URL(lab().info.sites.frankfurt?.metrics ?? '').host;
  const options = { dir: join(lab().dir, 'sites/tokyo'), externalServer: true, monitor: taken, log: silentLogger };
  const refusal = async (): Promise<unknown> => startSidecar(options).catch((error: BusError) => error.code);
  // the killed one's lock goes with its process
  await until('the port is named', async () => (await refusal()) === 'E_PORT_TAKEN');
  await labStart(lab().dir, 'tokyo', 'sidecar');
});

test('with the control plane dead traffic goes on', { timeout: 90_000 }, async () => {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  await publishSome(lab(), 'acme/exchange', 'trade.x', 20, ledger);
  await until('the ticket is there', () => ledger.missing().length === 0, 20_000);
  await labKill(lab().dir, 'control');
  ledger.watchGaps();
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'trade.y', perSecond: 50, ledger });
  await delay(8_000);
  const gapMs = ledger.maxGapMs;
  await publisher.stop();
  expect(await ledger.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  await consumer.stop();
  expect(gapMs).toBeLessThan(3_000);
  await labStart(lab().dir, 'control');
});
