/**
 *   tokyo ══════ frankfurt     trade is published at tokyo; `near` consumes it there, `risk` at frankfurt; they give a
 *                              message up after one delivery, and after two. A mender may read what risk gave up, with a plain client.
 */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { labKill, labStart, labStatus } from '../../../src/lab/index.ts';
import { metricOf, sidecarConnection, useBus } from '../../support/bus.ts';
import { mbusHere } from '../../support/cli.ts';
import { until } from '../../support/tcp.ts';

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
        groups:
          - {name: risk, terminals: [frankfurt], maxDeliver: 2, ackWaitMs: 300, maxBytes: 65536}
          - {name: near, terminals: [tokyo], maxDeliver: 1, ackWaitMs: 300}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: near,        terminal: tokyo,     consume: [trade@near]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: mender,      terminal: frankfurt, deadLetters: [trade@risk]}
`);

interface Letter {
  site: string;
  seq: number;
  reason: string;
  origin: string;
  originSeq: number;
  deliveries: number;
}

async function dlq(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await mbusHere([
    'dlq',
    ...args,
    '--dir',
    lab().dir,
    '--json',
    ...(args.length > 1 ? ['--wait-ms', '30000'] : []),
  ]);
  expect(`${code} ${stderr}`).toBe('0 ');
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function letters(group: string): Promise<Letter[]> {
  return (await dlq('ls', group, '--limit', '1000')).letters as Letter[];
}

async function publish(count: number, size = 20): Promise<void> {
  const nc = await lab().connect('acme/exchange');
  const js = jetstream(nc);
  for (let n = 0; n < count; n++) {
    const head = headers();
    head.set('N', String(n));
    await js.publish(`trade.x.${n}`, Buffer.alloc(size, String(n)), { headers: head });
  }
  await nc.close();
}

interface Eater {
  /** numbers acknowledged */
  eaten: number[];
  stop(): Promise<void>;
}

/** Acknowledges what it is told to, and lets the rest run into its ack wait. */
async function eat(app: string, stream: string, isGood: (n: number) => boolean): Promise<Eater> {
  const nc = await lab().connect(app);
  const durable = stream.split('@')[1] ?? '';
  const eaten: number[] = [];
  let isStopped = false;
  const loop = (async () => {
    while (!isStopped) {
      const consumer = await jetstream(nc)
        .consumers.get(stream, durable)
        .catch(() => null);
      const message = (await consumer?.next({ expires: 1_000 }).catch(() => null)) ?? null;
      const n = Number(message?.headers?.get('N'));
      if (message === null || !isGood(n)) continue;
      message.ack();
      eaten.push(n);
    }
  })();
  const stop = async (): Promise<void> => {
    isStopped = true;
    await loop;
    await nc.close();
  };
  return { eaten, stop };
}

test('what is never acknowledged goes to the dead letters, and from there to consumers again or away', async () => {
  const isGood = (n: number): boolean => n !== 3 && n !== 7;
  const eaters = await Promise.all([
    eat('acme/risk-engine', 'trade@risk', isGood),
    eat('acme/near', 'trade@near', isGood),
  ]);
  await publish(10);
  for (const group of ['acme/trade@risk', 'acme/trade@near']) {
    await until(`two of ${group} are found`, async () => (await letters(group)).length === 2, 30_000);
  }
  await Promise.all(eaters.map((eater) => eater.stop()));
  for (const { eaten } of eaters) expect(eaten.toSorted()).toEqual([0, 1, 2, 4, 5, 6, 8, 9]);
  const found = await letters('acme/trade@risk');
  expect(found.map(({ originSeq }) => originSeq).toSorted()).toEqual([4, 8]);
  for (const each of found) {
    expect(each).toMatchObject({ site: 'frankfurt', reason: 'maxDeliver', origin: 'tokyo', deliveries: 2 });
  }
  expect(await metricOf(lab(), 'frankfurt', 'mbus_dead_letters_total', 'maxDeliver')).toBe(2);
  await until('the status counts them', async () => {
    const { groups } = (await dlq('ls')) as { groups: { group: string; messages: number }[] };
    return groups.find(({ group }) => group === 'acme/trade@risk')?.messages === 2;
  });

  const third = found.find(({ originSeq }) => originSeq === 4)?.seq ?? 0;
  const shown = await mbusHere([
    'dlq',
    'show',
    'acme/trade@risk',
    '--seq',
    String(third),
    '--dir',
    lab().dir,
    '--site',
    'frankfurt',
    '--json',
  ]);
  const {
    subject,
    headers: lines,
    payload,
  } = JSON.parse(shown.stdout) as { subject: string; headers: string[]; payload: string };
  expect({ subject, lines }).toEqual({ subject: 'trade.x.3', lines: ['N: 3'] });
  expect(Buffer.from(payload, 'base64').toString()).toBe('3'.repeat(20));

  await dlq('retry', 'acme/trade@risk', '--site', 'frankfurt', '--seq', String(third));
  const again = await eat('acme/risk-engine', 'trade@risk', () => true);
  await until('it comes again', () => again.eaten.length === 1, 20_000);
  expect(again.eaten).toEqual([3]);
  await again.stop();
  expect((await letters('acme/trade@risk')).map(({ originSeq }) => originSeq)).toEqual([8]);
  expect((await dlq('purge', 'acme/trade@near', '--all')).sites).toContainEqual({ site: 'tokyo', done: 2, error: '' });
  expect(await letters('acme/trade@near')).toEqual([]);
  const { stdout } = await mbusHere(['audit', 'ls', '--limit', '5', '--dir', lab().dir, '--json']);
  expect(JSON.parse(stdout).rows.map(({ action }: { action: string }) => action)).toEqual(
    expect.arrayContaining(['dlq.retry', 'dlq.purge']),
  );
});

test('an application with the right reads them with a plain client, and nothing else', async () => {
  const nc = await lab().connect('acme/mender');
  const consumer = await jetstream(nc).consumers.get('mb-dlq-trade@risk', 'risk');
  const message = await consumer.next({ expires: 20_000 });
  expect([message?.subject, message?.headers?.get('N'), message?.headers?.get('Mb-Reason')]).toEqual([
    'trade.x.7',
    '7',
    'maxDeliver',
  ]);
  message?.ack();
  await until('it is gone', async () => (await letters('acme/trade@risk')).length === 0, 20_000);
  await expect(jetstream(nc).consumers.get('trade@risk', 'risk')).rejects.toThrow();
  await nc.close();
});

test('given up while the sidecar was dead, and killed while they move: each is there once', {
  timeout: 120_000,
}, async () => {
  const count = 80;
  await publish(count);
  await until('all are at frankfurt', async () => (await pendingAt('frankfurt')) === count, 30_000);
  await labKill(lab().dir, 'frankfurt', 'sidecar');
  const eater = await eat('acme/risk-engine', 'trade@risk', () => false);
  await untilGivenUp(30);
  for (let round = 0; round < 3; round++) {
    await labStart(lab().dir, 'frankfurt', 'sidecar');
    await until('some are moved', async () => (await pendingAt('frankfurt')) < count - 10 * round, 30_000);
    await labKill(lab().dir, 'frankfurt', 'sidecar');
  }
  await labStart(lab().dir, 'frankfurt', 'sidecar');
  await until('all are found', async () => (await letters('acme/trade@risk')).length >= count, 60_000);
  await eater.stop();
  const found = await letters('acme/trade@risk');
  expect(new Set(found.map(({ originSeq }) => originSeq)).size).toBe(count);
  expect(found).toHaveLength(count);
  expect(await pendingAt('frankfurt')).toBe(0);
  await dlq('purge', 'acme/trade@risk', '--all');
});

test('a full dead-letter stream refuses: what does not fit stays in the group, and follows when there is room', async () => {
  const eater = await eat('acme/risk-engine', 'trade@risk', () => false);
  await publish(20, 2_000);
  await until('twenty are found', async () => (await letters('acme/trade@risk')).length === 20, 40_000);
  await publish(20, 2_000);
  await until(
    'the status says that they are full',
    async () => (await reasonAt('frankfurt')).includes('dead letters: ') && (await pendingAt('frankfurt')) > 0,
    40_000,
  );
  const kept = await letters('acme/trade@risk');
  expect(kept.length).toBeLessThan(40);
  await dlq('purge', 'acme/trade@risk', '--site', 'frankfurt', '--seq', kept.map(({ seq }) => seq).join());
  await until('the rest follows', async () => (await pendingAt('frankfurt')) === 0, 40_000);
  expect(await letters('acme/trade@risk')).toHaveLength(40 - kept.length);
  await eater.stop();
});

/** Messages of risk in its group stream. */
async function pendingAt(site: string): Promise<number> {
  const sidecar = await sidecarConnection(lab(), site, 'acme');
  const { state } = await (await jetstreamManager(sidecar)).streams.info('trade@risk', { subjects_filter: 'trade.>' });
  await sidecar.close();
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

async function untilGivenUp(atLeast: number): Promise<void> {
  const sidecar = await sidecarConnection(lab(), 'frankfurt', 'acme');
  const jsm = await jetstreamManager(sidecar);
  await until(
    `${atLeast} are given up`,
    async () => (await jsm.consumers.info('trade@risk', 'risk')).num_redelivered >= atLeast,
    30_000,
  );
  await sidecar.close();
}

async function reasonAt(site: string): Promise<string> {
  const { sites, names } = await labStatus(lab().dir);
  const rows = sites.find(({ name }) => name === site)?.report?.groups ?? [];
  return rows.find(({ groupId }) => names[groupId]?.endsWith('trade@risk'))?.reason ?? '';
}
