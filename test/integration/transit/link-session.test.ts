/**
 *   a ──LinkProxy──▶ nats-server ◀── b      two ends of a link, a's connection through a proxy that can be spoiled
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { LinkProxy } from '../../../src/lab/index.ts';
import { silentLogger } from '../../../src/log.ts';
import type { LinkFacts } from '../../../src/routing/index.ts';
import { LinkSession, type LinkState } from '../../../src/transit/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { startJetStream } from '../../support/transit.ts';

const scope = testScope();

interface End {
  session: LinkSession;
  states: LinkState[];
  facts: LinkFacts[];
  records: string[];
}

function startEnd(nc: NatsConnection, self: string, peer: string, onFrame?: () => Promise<void>): End {
  const end: Omit<End, 'session'> = { states: [], facts: [], records: [] };
  const session = new LinkSession({
    nc,
    linkId: 'link',
    self,
    peer,
    peerName: peer,
    clock: systemClock,
    log: silentLogger,
    helloMs: 50,
    silentAfterMs: 400,
    onFrame: onFrame ?? (async () => undefined),
    onNote: () => undefined,
    onRecord: (bytes) => result.records.push(Buffer.from(bytes).toString()),
    onFacts: (facts) => result.facts.push(facts),
    onState: (state) => result.states.push(state),
  });
  const result: End = Object.assign(end, { session });
  session.start();
  scope.onEnd(() => session.stop());
  return result;
}

async function startPair(
  onFrame?: () => Promise<void>,
): Promise<{ a: End; b: End; proxy: LinkProxy; peer: NatsConnection }> {
  const peer = await startJetStream(scope, scope.dir());
  const [host = '', port = ''] = peer.getServer().split(':');
  const proxy = await LinkProxy.listen({ host, port: Number(port) });
  scope.onEnd(() => proxy.close());
  const nc = await connect({ servers: `127.0.0.1:${proxy.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  scope.onEnd(() => nc.close());
  const [a, b] = [startEnd(nc, 'a', 'b'), startEnd(peer, 'b', 'a', onFrame)];
  await eventually('both ends are up', () => a.session.isUp && b.session.isUp);
  return { a, b, proxy, peer };
}

test('hellos bring a link up and measure it; records cross it', async () => {
  const { a, b } = await startPair();
  await eventually('it is measured', () => (a.session.rttMs ?? 0) > 0 && (b.session.rttMs ?? 0) > 0);
  a.session.flood(Buffer.from('record'));
  await eventually('the record is there', () => b.records[0] === 'record');
  expect(a.session.facts).toMatchObject({ state: 'up', lossRatio: 0, backlogMs: 0 });
});

test('what was unanswered before the link was up is not held against it', async () => {
  const peer = await startJetStream(scope, scope.dir());
  const early = startEnd(peer, 'a', 'b');
  await delay(500);
  startEnd(peer, 'b', 'a');
  const tellsOfUp = () => early.facts.filter(({ state }) => state !== 'down');
  await eventually('it was up for longer than a hello may take', () => tellsOfUp().length >= 3);
  expect(tellsOfUp().map(({ state, lossRatio }) => [state, lossRatio])).toEqual(tellsOfUp().map(() => ['up', 0]));
});

test('a link that carries nothing is silent at both ends, what is under way fails, and it comes back by itself', async () => {
  const { a, b, proxy } = await startPair(() => new Promise(() => undefined));
  const sent = a.session.send(Buffer.from('frame'));
  const failed = expect(sent).rejects.toMatchObject({ code: 'E_LINK_DOWN' });
  proxy.silence();
  await eventually('both are silent', () => a.session.state === 'silent' && b.session.state === 'silent', 3_000);
  await failed;
  expect(a.facts.at(-1)?.state).toBe('silent');
  await expect(a.session.send(Buffer.from('frame'))).rejects.toMatchObject({ code: 'E_LINK_DOWN' });
  proxy.restore();
  await eventually('both are up', () => a.session.isUp && b.session.isUp, 3_000);
});

test('a slow link is degraded and goes on, and recovers', async () => {
  const { a, proxy } = await startPair();
  await delay(500);
  proxy.shape({ delayMs: 150 });
  await eventually('it is degraded', () => a.session.state === 'degraded', 8_000);
  expect(a.session.isUp).toBe(true);
  await a.session.send(Buffer.from('frame'));
  proxy.shape({});
  await eventually('it is up', () => a.session.state === 'up', 8_000);
  expect(a.states).not.toContain('silent');
});

test('a peer that is gone is known at once, by the server’s word', async () => {
  const { a, peer } = await startPair();
  await peer.close();
  await eventually('it is down', () => a.session.state === 'down', 1_000);
  expect(a.session.reason).toContain('nobody listens');
});

test('a leaf connection that closed is down until a hello is answered', async () => {
  const { a } = await startPair();
  a.session.connectionChanged(false);
  expect(a.session.state).toBe('down');
  await eventually('it is up', () => a.session.isUp);
});
