/**
 *  customer A: stream trade, stream trade@risk, consumer risk        customer B: the intruder
 *        account APPS of one plain nats-server                        account OTHER, or APPS when the wall is missing
 */
import { createServer } from 'node:net';
import { jetstream } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { beforeEach, expect, it } from 'vitest';
import type { AppAccess } from '../../../demo/clients.ts';
import { Intruder } from '../../../demo/isolation.ts';
import { eventIdHeader } from '../../../demo/ledger.ts';
import { addTopic, connectPlain, startPlainServer } from '../../support/demo.ts';
import { eventually, testScope } from '../../support/nats-server.ts';

const scope = testScope();
let server: AppAccess & { stranger: AppAccess };
let victim: NatsConnection;

beforeEach(async () => {
  server = await startPlainServer(scope);
  victim = await connectPlain(scope, server);
  await addTopic(victim, 'trade', 'risk');
});

/** Somebody who takes no credential at all. */
async function closedDoor(): Promise<string> {
  const door = createServer((socket) => socket.end("-ERR 'Authorization Violation'\r\n"));
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  scope.onEnd(() => new Promise((resolve) => door.close(resolve)));
  const address = door.address();
  return `nats://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
}

async function intrudeAs(access: AppAccess): Promise<Intruder> {
  const intruder = new Intruder({
    accesses: [access],
    otherSites: [await closedDoor()],
    victimTopics: ['trade'],
    victimGroups: ['risk'],
    victimPrefix: 'acme-',
  });
  scope.onEnd(() => intruder.close());
  await intruder.listen();
  const named = headers();
  named.set(eventIdHeader, 'acme-1');
  await jetstream(victim).publish('trade', 'secret', { headers: named });
  return intruder;
}

it('finds no leak from an account of its own', async () => {
  const intruder = await intrudeAs(server.stranger);
  await intruder.attack();
  expect(intruder.result.leaks).toBe(0);
  expect(intruder.result.attempts).toBeGreaterThan(20);
});

it('notices messages it can hear when there is no wall', async () => {
  const intruder = await intrudeAs(server);
  await eventually('heard', () => intruder.result.leaks > 0);
});

it('notices streams it can read, topics it can publish to and sites that let it in', async () => {
  const intruder = await intrudeAs(server);
  await eventually('heard', () => intruder.result.leaks > 0);
  const heard = intruder.result.leaks;
  await intruder.attack();
  expect(intruder.result.leaks).toBeGreaterThan(heard + 5);
});
