/**
 *  publisher (nats 2.x) ─┐                                    ┌─▶ consumer (nats 2.x)
 *                        ├─▶ stream trade ─▶ stream trade@risk ┤
 *  publisher (@nats-io) ─┘            one plain nats-server    └─▶ consumer (@nats-io)
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { expect, it } from 'vitest';
import { connectApp, generations, type OutgoingMessage } from '../../../demo/clients.ts';
import { eventIdHeader, Ledger } from '../../../demo/ledger.ts';
import { publishAll } from '../../../demo/publisher.ts';
import { addTopic, connectPlain, startPlainServer } from '../../support/demo.ts';
import { eventually, testScope } from '../../support/nats-server.ts';

const scope = testScope();
const group = 'acme/trade@risk';

function messagesOf(count: number): OutgoingMessage[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `acme-${i}`,
    topic: 'trade',
    subject: 'trade.eu',
    headers: { [eventIdHeader]: `acme-${i}`, Note: `number ${i}` },
    payload: Buffer.from(`payload ${i}`),
  }));
}

it('carries every message once through both client generations, publishing and consuming', async () => {
  const access = await startPlainServer(scope);
  const nc = await connectPlain(scope, access);
  await addTopic(nc, 'trade', 'risk');
  const ledger = new Ledger();
  ledger.addGroup(group, 'trade');
  const messages = messagesOf(2000);
  for (const { id, topic, subject, headers, payload } of messages) {
    ledger.publish(id, topic, { subject, headers: Object.entries(headers).map(([k, v]) => [k, [v]]), payload });
  }
  const clients = await Promise.all(generations.map((generation) => connectApp(generation, access, 'test')));
  for (const client of clients) scope.onEnd(() => client.close());
  for (const client of clients) await client.consume('trade', 'risk', (message) => ledger.arrive(group, message));
  const acks: number[] = [];
  const { signal } = new AbortController();
  await publishAll({ clients, messages, window: 64, minMs: 0, signal, onAck: (count) => acks.push(count) });
  await eventually('all arrived', () => ledger.isComplete());
  expect(acks.at(-1)).toBe(2000);
  expect(ledger.tally(group)).toEqual({ expected: 2000, delivered: 2000, lost: 0, duplicated: 0, changed: 0 });
  const jsm = await jetstreamManager(nc);
  await eventually(
    'all acknowledged',
    async () => (await jsm.consumers.info('trade@risk', 'risk')).num_ack_pending === 0,
  );
});

it('spreads publishing over the time asked for', async () => {
  const access = await startPlainServer(scope);
  await addTopic(await connectPlain(scope, access), 'trade', 'risk');
  const client = await connectApp('@nats-io', access, 'test');
  scope.onEnd(() => client.close());
  const startedMs = performance.now();
  const { signal } = new AbortController();
  await publishAll({
    clients: [client],
    messages: messagesOf(50),
    window: 8,
    minMs: 500,
    signal,
    onAck: () => undefined,
  });
  expect(performance.now() - startedMs).toBeGreaterThan(450);
});
