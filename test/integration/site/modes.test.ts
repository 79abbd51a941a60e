/**
 * One link in every mode, each on real servers:
 *
 *   virginia ──▶ [HTTP proxy] ──▶ tokyo     virginia is in client mode; tokyo takes links over TCP and over WebSocket,
 *                                           both inside TLS with certificates of the bus
 */
import { connect as tlsConnect } from 'node:tls';
import { expect, test } from 'vitest';
import type { SnapshotLink } from '../../../src/api/snapshot.ts';
import { linkSubject } from '../../../src/site/index.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { exchange, meshCustomer, startSites, type TestBus, type TestCustomer } from '../../support/sites.ts';

const scope = testScope();

async function pair(): Promise<{ bus: TestBus; customer: TestCustomer; link: SnapshotLink; websocket: string }> {
  const bus = await startSites(scope, ['tokyo', 'virginia'], ['virginia']);
  const customer = await meshCustomer('acme', bus.sites);
  const [link] = customer.links;
  const websocket = bus.sites[0]?.dir.file.websocketListen;
  if (!link || websocket === undefined) throw new Error('the pair has no link');
  return { bus, customer, link, websocket };
}

/** A request of virginia, answered by tokyo. */
async function crosses(bus: TestBus, link: SnapshotLink): Promise<boolean> {
  const [tokyo, virginia] = bus.sites;
  if (!tokyo || !virginia) return false;
  await eventually('the link is up at both ends', () => [tokyo, virginia].every((s) => s.server.isLinkUp(link.id)));
  const server = await tokyo.server.connect({ link: link.id });
  const client = await virginia.server.connect({ link: link.id });
  server.subscribe(linkSubject(virginia.id, tokyo.id, 'q'), { callback: (_, message) => void message.respond('pong') });
  await server.flush();
  const subject = linkSubject(virginia.id, tokyo.id, 'q');
  const answer = await eventually('an answer over the link', () =>
    client
      .request(subject, 'ping', { timeout: 500 })
      .then((message) => message.string())
      .catch(() => undefined),
  );
  await Promise.all([server.close(), client.close()]);
  return answer === 'pong';
}

test('a link over WebSocket carries what one over TCP does', async () => {
  const { bus, customer, link, websocket } = await pair();
  link.url = `wss://${websocket}`;
  await exchange(bus, [customer]);
  expect(await crosses(bus, link)).toBe(true);
});

test('a link goes through an HTTP proxy, over TCP and over WebSocket, and nothing goes around it', async () => {
  const { bus, customer, link, websocket } = await pair();
  const proxy = await startConnectProxy(scope);
  const tcp = link.url;
  for (const [url, target] of [
    [tcp, tcp],
    [`wss://${websocket}`, websocket],
  ] as const) {
    Object.assign(link, { url, proxy: proxy.url });
    proxy.targets.length = 0;
    await exchange(bus, [customer]);
    expect(await crosses(bus, link)).toBe(true);
    expect(new Set(proxy.targets)).toEqual(new Set([target]));
    expect(proxy.bytes()).toBeGreaterThan(0);
  }
  proxy.refuse();
  const virginia = bus.sites[1];
  await eventually('the link is down without its proxy', () => virginia?.server.isLinkUp(link.id) === false);
});

test('a link changes its way while the servers run: TCP, proxy, another proxy, WebSocket, TCP again', async () => {
  const { bus, customer, link, websocket } = await pair();
  const [first, second] = [await startConnectProxy(scope), await startConnectProxy(scope)];
  const tcp = link.url;
  const starts = async (): Promise<unknown[]> =>
    Promise.all(
      bus.sites.map(async ({ dir }) => {
        const page = (await (await fetch(`http://${dir.file.monitor}/varz`)).json()) as { start: string };
        return page.start;
      }),
    );
  const startedAt = await starts();
  for (const [url, proxy, sees] of [
    [tcp, undefined, undefined],
    [tcp, first.url, first],
    [tcp, second.url, second],
    [`wss://${websocket}`, undefined, undefined],
    [tcp, undefined, undefined],
  ] as const) {
    const before = sees?.targets.length ?? 0;
    Object.assign(link, { url, proxy });
    await exchange(bus, [customer]);
    if (sees) await eventually('a tunnel through the new proxy', () => sees.targets.length > before);
    expect(await crosses(bus, link)).toBe(true);
  }
  expect(await starts()).toEqual(startedAt);
});

test('who shows no certificate of the bus does not get as far as a WebSocket handshake', async () => {
  const { websocket } = await pair();
  const [host = '', port = ''] = websocket.split(':');
  const answer = await new Promise<string>((resolve) => {
    const socket = tlsConnect({ host, port: Number(port), rejectUnauthorized: false });
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on('error', (error) => resolve(`refused: ${error.message}`));
    socket.on('close', () => resolve(text));
    socket.write('GET /leafnode HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  });
  expect(answer).toMatch(/refused: .*certificate required/);
});
