/**
 * Sites that only dial out:
 *
 *   shop ══ lagos ══ oslo ══ depot     shop and depot are client sites, lagos and oslo take links;
 *     ╚═════════════╝                  shop is behind both, depot behind one and dials over WebSocket through an HTTP proxy
 */
import { expect, test } from 'vitest';
import { labApply, labCut, labRestore, labStatus } from '../../../src/lab/index.ts';
import { Ledger, startConsumer, startPublisher } from '../../support/bus.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { useLabs } from '../../support/lab.ts';
import { testScope } from '../../support/nats-server.ts';
import { until } from '../../support/tcp.ts';

const labs = useLabs();
const scope = testScope();

function bus(proxy: string, depotLinks: string): string {
  return `
sites:
  - {name: lagos, mode: server, address: "lagos.example.net:7422", websocket: "lagos.example.net:443"}
  - {name: oslo,  mode: server, address: "oslo.example.net:7422",  websocket: "oslo.example.net:443"}
  - {name: shop,  mode: client}
  - {name: depot, mode: client, proxy: "${proxy}"}
customers:
  - name: acme
    terminals: [lagos, oslo, shop, depot]
    links:
      - {between: [lagos, oslo]}
      - {between: [shop, lagos]}
      - {between: [shop, oslo], cost: 10}
      ${depotLinks}
    topics: [{name: order, groups: [{name: packing, terminals: [depot]}]}]
    apps:
      - {name: till,   terminal: shop,  publish: [order]}
      - {name: packer, terminal: depot, consume: [order@packing]}
`;
}

const none = { lost: [], doubled: [], changed: [] };

test('two clients of different servers reach each other, one by another server when its own is cut, the other after it changed its server', {
  timeout: 240_000,
}, async () => {
  const proxy = await startConnectProxy(scope);
  const lab = await labs.start(bus(proxy.url, '- {between: [depot, oslo], transport: ws}'));
  const ledger = new Ledger();
  const consumer = await startConsumer(lab, 'acme/packer', 'order@packing', ledger);
  const publisher = await startPublisher(lab, { app: 'acme/till', subject: 'order.new', perSecond: 100, ledger });
  const delivered = async (more: number, what: string): Promise<void> => {
    const before = ledger.delivered;
    await until(`orders at the depot: ${what}`, () => ledger.delivered >= before + more, 30_000);
  };
  await delivered(100, 'by lagos and oslo');
  expect(proxy.bytes()).toBeGreaterThan(100 * 64);

  await labCut(lab.dir, { customer: 'acme', a: 'shop', b: 'lagos' });
  await delivered(100, 'the shop by its other server');
  await labRestore(lab.dir, { customer: 'acme', a: 'shop', b: 'lagos' });

  await labApply(lab.dir, bus(proxy.url, '- {between: [depot, lagos], transport: ws}'), 'bus.yaml');
  await until(
    'the depot’s new link is up',
    async () => {
      const { sites, names } = await labStatus(lab.dir);
      const links = sites.find(({ name }) => name === 'depot')?.report?.links ?? [];
      return (
        links.length === 1 && links.every(({ linkId, state }) => names[linkId] === 'acme/depot-lagos' && state === 'up')
      );
    },
    30_000,
  );
  await delivered(100, 'the depot behind its new server');
  await publisher.stop();
  expect(await ledger.settle()).toEqual(none);
  await consumer.stop();
});
