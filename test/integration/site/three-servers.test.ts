/**
 *   sidecar ─▶ nats-server 1 ═ 2 ═ 3     one site; what it stores is kept by all three
 */
import { jetstream } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/log.ts';
import { directGet, streamManager } from '../../../src/nats/index.ts';
import { findRunning } from '../../../src/server/index.ts';
import { openSiteDir, type SiteDir, SiteServer, serverPlaces } from '../../../src/site/index.ts';
import { eventually, testScope } from '../../support/nats-server.ts';
import { joinSite, meshCustomer, snapshotFor, startSites } from '../../support/sites.ts';

const scope = testScope();
const soon = 60_000;

/** One sidecar of a site with three servers; the first also starts them, and starts again what dies. */
async function sidecarOf(dir: SiteDir, preferred: number): Promise<SiteServer> {
  const server = new SiteServer({
    dir: await openSiteDir(dir.path),
    log: silentLogger,
    preferred,
    isExternal: preferred > 1,
  });
  scope.onEnd(() => (preferred > 1 ? server.close() : server.stopServer()));
  await server.open();
  return server;
}

function numberOf(name: string | undefined): number {
  return Number(/-([23])$/.exec(name ?? '')?.[1] ?? 1);
}

test('streams have three copies; their leader may die, and who is shut out is shut out of all servers', {
  timeout: 240_000,
}, async () => {
  const bus = await startSites(scope, []);
  const dir = await joinSite(scope.dir('site-tokyo'), bus, 'tokyo', 'server', 3);
  const first = await sidecarOf(dir, 1);
  await first.start();
  const site = {
    name: 'tokyo',
    id: dir.file.siteId,
    mode: 'server' as const,
    address: dir.file.leafListen,
    dir,
    server: first,
  };
  const customer = await meshCustomer('acme', [site]);
  await first.apply(snapshotFor({ ...bus, sites: [site] }, site, [customer]), () => true);
  expect(first.servers).toEqual([1, 2, 3].map((server) => ({ server, isUp: true })));

  const nc = await first.connect({ customer: customer.id });
  const jsm = await streamManager(nc);
  const made = await jsm.streams.add({ name: 'trade', subjects: ['trade.>'] });
  expect(made.config.num_replicas).toBe(3);
  const js = jetstream(nc);
  for (let n = 1; n <= 200; n++) await js.publish(`trade.${n}`, `${n}`);
  for (let seq = 20; seq <= 150; seq++) await jsm.streams.deleteMessage('trade', seq);
  const read = await directGet(nc, 'trade', { seq: 10, batch: 50, max_bytes: 1e6 });
  const wanted = [
    ...Array.from({ length: 10 }, (_, at) => 10 + at),
    ...Array.from({ length: 40 }, (_, at) => 151 + at),
  ];
  expect(read.map(({ seq, payload }) => [seq, Buffer.from(payload).toString()])).toEqual(
    wanted.map((n) => [n, `${n}`]),
  );

  const leader = numberOf((await jsm.streams.info('trade')).cluster?.leader);
  const home = serverPlaces(dir)[leader - 1]?.home ?? '';
  findRunning({ dir: home, configPath: `${home}/server.conf` })?.kill('SIGKILL');
  await eventually(
    'the two left take it',
    () =>
      js.publish('trade.after', 'x', { timeout: 2_000 }).then(
        () => true,
        () => false,
      ),
    soon,
  );
  await eventually('the third is back', () => first.servers.every(({ isUp }) => isUp), soon);

  // another life shuts the first one out, wherever that one is connected
  const second = await sidecarOf(dir, 2);
  const before = await second.connect('BUS', { endsWhenRefused: true });
  const next = await sidecarOf(dir, 3);
  await next.start([second.user]);
  await eventually('it is cut off', () => before.isClosed(), soon);
});
