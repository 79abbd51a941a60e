/**
 *   tokyo ══════ frankfurt ══════ virginia       the example of docs/: exchange publishes trade at tokyo, risk consumes at
 *                                 (dials out)    frankfurt, archive at virginia or frankfurt; desk is added at tokyo itself
 */
import { JetStreamApiError, type JsMsg, jetstream } from '@nats-io/jetstream';
import { headers, type MsgHdrs } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { labKill, labStart } from '../../../src/lab/index.ts';
import { Ledger, publishSome, startConsumer, useBus } from '../../support/bus.ts';
import { until } from '../../support/tcp.ts';

const mebibyte = 1024 * 1024;
const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: virginia,  mode: client, maxPayload: ${8 * mebibyte}}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt], cost: 1}
      - {between: [virginia, frankfurt]}
    topics:
      - name: trade
        groups:
          - {name: risk,    terminals: [frankfurt]}
          - {name: archive, terminals: [virginia, frankfurt], policy: ordered}
          - {name: desk,    terminals: [tokyo]}
      - name: film
        groups:
          - {name: cutters, terminals: [frankfurt]}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
      - {name: desk,        terminal: tokyo,     consume: [trade@desk]}
      - {name: camera,      terminal: virginia,  publish: [film]}
      - {name: cutter,      terminal: frankfurt, consume: [film@cutters]}
`);

async function nextAt(app: string, group: string): Promise<JsMsg> {
  const nc = await lab().connect(app);
  const [, durable = ''] = group.split('@');
  const consumer = await jetstream(nc).consumers.get(group, durable);
  const message = await consumer.next({ expires: 20_000 });
  if (message === null) throw new Error(`nothing arrived at ${group}`);
  await message.ackAck();
  await nc.close();
  return message;
}

/** Name and values of every header in order, without those of the transport. */
function own(head: MsgHdrs | undefined): [string, string[]][] {
  return [...(head ?? [])].filter(([key]) => !/^(nats|mb)-/i.test(key));
}

const sizes = [0, 1, 200_000];

test.each(sizes)('subject, headers and %i bytes of payload survive the way from tokyo to frankfurt', async (size) => {
  const payload = Buffer.alloc(size, Buffer.from([0, 255, 13, 10, 65]));
  const head = headers();
  head.append('Colour', 'red');
  head.append('Colour', 'green');
  head.append('x-ODD-case', '  spaces  inside ');
  head.append('Empty', '');
  head.append('Utf8', 'grün 東京 🚢');
  const nc = await lab().connect('acme/exchange');
  const beforeMs = Date.now();
  const ack = await jetstream(nc).publish('trade.eu.1', payload, { headers: head, msgID: `order-${size}` });
  await nc.close();
  expect(ack.stream).toBe('trade');

  const message = await nextAt('acme/risk-engine', 'trade@risk');
  expect(message.subject).toBe('trade.eu.1');
  expect(Buffer.compare(message.data, payload)).toBe(0);
  expect(own(message.headers)).toEqual(own(head));
  expect(message.headers?.get('Mb-Msg-Id')).toBe(`order-${size}`);
  expect(message.headers?.get('Nats-Msg-Id')).toBe('');
  const sentMs = Date.parse(message.headers?.get('Mb-Time') ?? '');
  expect(sentMs).toBeGreaterThanOrEqual(beforeMs - 1_000);
  expect(sentMs).toBeLessThanOrEqual(Date.now() + 1_000);
});

test('the older client generation receives the same', async () => {
  const nc = await lab().connect('acme/exchange');
  const head = headers();
  head.append('Colour', 'red');
  await jetstream(nc).publish('trade', Buffer.from([0, 1, 2]), { headers: head });
  await nc.close();
  const older = await lab().connectOlder('acme/risk-engine');
  const message = await (await older.jetstream().consumers.get('trade@risk', 'risk')).next({ expires: 20_000 });
  expect(message?.subject).toBe('trade');
  expect([...(message?.data ?? [])]).toEqual([0, 1, 2]);
  expect(message?.headers?.get('Colour')).toBe('red');
  message?.ack();
  await older.flush();
});

test('the largest message passes, one byte more is refused to its publisher', async () => {
  const nc = await lab().connect('acme/exchange');
  const js = jetstream(nc);
  await js.publish('trade.big', Buffer.alloc(mebibyte, 7));
  const refusal = await js.publish('trade.big', Buffer.alloc(mebibyte + 1)).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(JetStreamApiError);
  await nc.close();
  const message = await nextAt('acme/risk-engine', 'trade@risk');
  expect(message.data.length).toBe(mebibyte);
});

test('8 MiB go from a site that allows them to one that allows its own applications less, and block nothing', async () => {
  const nc = await lab().connect('acme/camera');
  const js = jetstream(nc, { timeout: 20_000 });
  const payload = Buffer.alloc(8 * mebibyte, Buffer.from('frame'));
  await js.publish('film.reel', payload);
  await js.publish('film.note', 'the end');
  await nc.close();
  const reel = await nextAt('acme/cutter', 'film@cutters');
  expect(Buffer.compare(reel.data, payload)).toBe(0);
  expect((await nextAt('acme/cutter', 'film@cutters')).string()).toBe('the end');
});

test('with its sidecar dead a site still serves its own groups; the others get the rest later, once', async () => {
  const far = new Ledger();
  const near = new Ledger();
  const consumers = [
    await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', far),
    await startConsumer(lab(), 'acme/desk', 'trade@desk', near),
  ];
  await publishSome(lab(), 'acme/exchange', 'trade.1', 100, far);
  await labKill(lab().dir, 'tokyo', 'sidecar');
  await publishSome(lab(), 'acme/exchange', 'trade.2', 100, far);
  for (const id of far.acked) near.acked.add(id);
  await until('the local group has all', () => near.missing().length === 0, 10_000);
  expect(far.missing().length).toBeGreaterThanOrEqual(100);
  await labStart(lab().dir, 'tokyo', 'sidecar');
  expect(await far.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  expect(await near.settle()).toEqual({ lost: [], doubled: [], changed: [] });
  for (const consumer of consumers) await consumer.stop();
});
