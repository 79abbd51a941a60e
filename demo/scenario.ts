/**
 * The bus of the demo and what its two customers publish. Virginia is in client mode behind frankfurt:
 *
 *     tokyo ══════ frankfurt ══════ virginia        acme     publishes the input at frankfurt; every topic has a group at
 *                                   (dials out)              each site: desk (tokyo), risk (frankfurt), archive (virginia)
 *                                                   globex   publishes orders at tokyo and returns at virginia
 */
import { randomBytes } from 'node:crypto';
import type { OutgoingMessage } from './clients.ts';
import { type DemoEvent, topicsOf } from './input.ts';
import { eventIdHeader } from './ledger.ts';

export const sites = ['tokyo', 'frankfurt', 'virginia'] as const;

/** The links of both customers; the second is the one that is cut. */
export const links = [
  ['tokyo', 'frankfurt'],
  ['virginia', 'frankfurt'],
] as const;

export const customers = ['acme', 'globex'] as const;

const acmeGroups = { desk: 'tokyo', risk: 'frankfurt', archive: 'virginia' } as const;
const orderCount = 1000;
const returnCount = 500;

/** Who consumes what: one application per row, `customer/app`. */
export interface ConsumerPlan {
  app: string;
  topic: string;
  group: string;
}

/** Who publishes what. */
export interface PublisherPlan {
  app: string;
  messages: OutgoingMessage[];
}

export interface Scenario {
  /** the declared file; JSON is YAML */
  file: string;
  /** the first one publishes the input */
  publishers: PublisherPlan[];
  consumers: ConsumerPlan[];
  /** topics of the customer that others try to read */
  acmeTopics: string[];
}

export function planScenario(events: readonly DemoEvent[]): Scenario {
  const topics = topicsOf(events);
  const acme = Object.entries(acmeGroups).flatMap(([group]) =>
    topics.map((topic) => ({ app: `acme/${group}`, topic, group })),
  );
  return {
    file: JSON.stringify({ sites: siteList(), customers: [acmeCustomer(topics), globexCustomer()] }, null, 2),
    publishers: [
      { app: 'acme/exchange', messages: events.map((event, n) => named(`acme-${n}`, event)) },
      { app: 'globex/shop', messages: markedMessages('orders', orderCount) },
      { app: 'globex/warehouse', messages: markedMessages('returns', returnCount) },
    ],
    consumers: [
      ...acme,
      { app: 'globex/billing', topic: 'orders', group: 'billing' },
      { app: 'globex/billing', topic: 'returns', group: 'billing' },
      { app: 'globex/auditor', topic: 'orders', group: 'audit' },
    ],
    acmeTopics: topics,
  };
}

/** `acme/trade@risk`, as the report names a group. */
export function groupName({ app, topic, group }: ConsumerPlan): string {
  return `${customerOf(app)}/${topic}@${group}`;
}

export function customerOf(app: string): string {
  return app.slice(0, app.indexOf('/'));
}

function siteList(): object[] {
  return [
    { name: 'tokyo', mode: 'server', address: 'tokyo.example.net:7422' },
    { name: 'frankfurt', mode: 'server', address: 'frankfurt.example.net:7422' },
    { name: 'virginia', mode: 'client' },
  ];
}

function acmeCustomer(topics: string[]): object {
  const groups = Object.entries(acmeGroups).map(([name, site]) => ({ name, terminals: [site] }));
  const readers = Object.entries(acmeGroups).map(([name, terminal]) => ({
    name,
    terminal,
    consume: topics.map((topic) => `${topic}@${name}`),
  }));
  return {
    name: 'acme',
    terminals: sites,
    links: links.map((between) => ({ between })),
    topics: topics.map((name) => ({ name, groups })),
    apps: [{ name: 'exchange', terminal: 'frankfurt', publish: topics }, ...readers],
  };
}

function globexCustomer(): object {
  const billing = { name: 'billing', terminals: ['frankfurt'] };
  return {
    name: 'globex',
    terminals: sites,
    links: links.map((between) => ({ between })),
    topics: [
      { name: 'orders', groups: [billing, { name: 'audit', terminals: ['tokyo'] }] },
      { name: 'returns', groups: [billing] },
    ],
    apps: [
      { name: 'shop', terminal: 'tokyo', publish: ['orders'] },
      { name: 'warehouse', terminal: 'virginia', publish: ['returns'] },
      { name: 'billing', terminal: 'frankfurt', consume: ['orders@billing', 'returns@billing'] },
      { name: 'auditor', terminal: 'tokyo', consume: ['orders@audit'] },
    ],
  };
}

function markedMessages(topic: string, count: number): OutgoingMessage[] {
  return Array.from({ length: count }, (_, n) => {
    const marker = `globex-confidential-${randomBytes(12).toString('hex')}`;
    const payload = Buffer.from(JSON.stringify({ marker, topic, number: n, customerName: `buyer ${n % 97}` }));
    return named(`globex-${topic}-${n}`, { topic, subject: `${topic}.store${n % 7}`, headers: {}, payload });
  });
}

function named(id: string, event: DemoEvent): OutgoingMessage {
  return { ...event, id, headers: { ...event.headers, [eventIdHeader]: id } };
}
