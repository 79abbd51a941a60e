/**
 * One site, two customers, applications with `.creds` files:
 *
 *   acme/exchange ─▶ trade      ┐                  ┌ trade@risk ─▶ acme/risk
 *   acme/outsider (no rights)   ├─ nats-server ────┤
 *   globex/spy                  ┘                  └ trade@desk
 */
import { readFileSync } from 'node:fs';
import { AckPolicy, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { credsAuthenticator, type NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { SnapshotApp } from '../../src/api/snapshot.ts';
import type { TestScope } from './nats-server.ts';
import {
  meshCustomer,
  newApp,
  newTopic,
  snapshotFor,
  startSites,
  type TestBus,
  type TestCustomer,
  type TestSite,
} from './sites.ts';

export interface AppWorld {
  bus: TestBus;
  site: TestSite;
  acme: TestCustomer;
  globex: TestCustomer;
  exchange: SnapshotApp;
  risk: SnapshotApp;
  apply(isReady?: () => boolean): Promise<void>;
  as(customer: string, app: string, options?: Parameters<typeof connect>[0]): Promise<NatsConnection>;
}

export async function appWorld(scope: TestScope): Promise<AppWorld> {
  const bus = await startSites(scope, ['tokyo']);
  const [site] = bus.sites as [TestSite];
  const [acme, globex] = [await meshCustomer('acme', bus.sites), await meshCustomer('globex', bus.sites)];
  const terminals = acme.terminals.map((t) => t.id);
  acme.topics = [newTopic('trade', ['risk', 'desk'], terminals), newTopic('note', ['self'], terminals, 'lan')];
  globex.topics = [newTopic('trade', ['risk'], terminals)];
  const [exchange, risk] = [newApp('exchange', ['trade', 'note'], []), newApp('risk', [], ['trade@risk', 'note@self'])];
  acme.apps.set(site.id, [exchange, risk, newApp('outsider', [], [])]);
  globex.apps.set(site.id, [newApp('spy', ['trade'], ['trade@risk'])]);
  const apply = async (isReady = () => true): Promise<void> => {
    await site.server.apply(snapshotFor(bus, site, [acme, globex]), isReady);
  };
  await apply();
  for (const customer of [acme, globex]) await createStreams(site, customer);
  const as = async (customer: string, app: string, options = {}): Promise<NatsConnection> => {
    const creds = readFileSync(site.dir.credsPath(customer, app));
    const nc = await connect({ servers: site.dir.file.listen, authenticator: credsAuthenticator(creds), ...options });
    scope.onEnd(() => nc.close());
    return nc;
  };
  return { bus, site, acme, globex, exchange, risk, apply, as };
}

/** The streams the message path makes, as far as rights need them. */
export async function createStreams(site: TestSite, customer: TestCustomer): Promise<void> {
  const manager = await jetstreamManager(await site.server.connect({ customer: customer.id }));
  for (const topic of customer.topics) {
    await manager.streams.add({
      name: topic.name,
      subjects: [topic.name, `${topic.name}.>`],
      retention: RetentionPolicy.Limits,
    });
    for (const group of topic.groups) {
      const name = topic.scope === 'lan' ? topic.name : `${topic.name}@${group.name}`;
      if (topic.scope !== 'lan')
        await manager.streams.add({ name, sources: [{ name: topic.name }], retention: RetentionPolicy.Workqueue });
      await manager.consumers.add(name, { durable_name: group.name, ack_policy: AckPolicy.Explicit });
    }
  }
}
