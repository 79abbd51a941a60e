/** The buses that are simulated: who is linked to whom, which groups live where, and the snapshot each site has of it. */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type Snapshot, snapshotSchema } from '../src/api/snapshot.ts';

export interface Topology {
  name: string;
  sites: string[];
  /** ends, the dialling one first */
  links: (readonly [string, string])[];
  topics: { name: string; at: string; groups: Record<string, string[]> }[];
  /** there is one way from anywhere to anywhere */
  isTree: boolean;
}

export const topologies: readonly Topology[] = [
  {
    name: 'pair',
    sites: ['a', 'b'],
    links: [['a', 'b']],
    topics: [
      { name: 'trade', at: 'a', groups: { risk: ['b'], audit: ['b'] } },
      { name: 'quote', at: 'b', groups: { desk: ['a'] } },
    ],
    isTree: true,
  },
  {
    name: 'line',
    sites: ['a', 'b', 'c'],
    links: [
      ['a', 'b'],
      ['c', 'b'],
    ],
    topics: [
      { name: 'trade', at: 'a', groups: { risk: ['c'], audit: ['b'] } },
      { name: 'quote', at: 'c', groups: { desk: ['a'] } },
    ],
    isTree: true,
  },
  {
    name: 'triangle',
    sites: ['a', 'b', 'c'],
    links: [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ],
    topics: [{ name: 'trade', at: 'a', groups: { risk: ['c'], audit: ['b', 'c'] } }],
    isTree: false,
  },
  {
    name: 'diamond',
    sites: ['a', 'b', 'c', 'd'],
    links: [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'd'],
      ['c', 'd'],
    ],
    topics: [
      { name: 'trade', at: 'a', groups: { risk: ['d'], audit: ['b', 'd'] } },
      { name: 'quote', at: 'd', groups: { desk: ['a'] } },
    ],
    isTree: false,
  },
  {
    name: 'ring',
    sites: ['a', 'b', 'c', 'd', 'e'],
    links: [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'd'],
      ['d', 'e'],
      ['e', 'a'],
    ],
    topics: [{ name: 'trade', at: 'a', groups: { risk: ['c'], audit: ['d', 'c'] } }],
    isTree: false,
  },
];

type Input = z.input<typeof snapshotSchema>;
type Customer = Input['customers'][number];
type Topic = Customer['topics'][number];

const known = new Map<string, Snapshot>();

export interface Limits {
  groupMaxBytes: number;
}

/** What the control plane would have sent to the site. */
export function snapshotOf(topology: Topology, site: string, limits: Limits): Snapshot {
  const key = `${topology.name} ${site} ${limits.groupMaxBytes}`;
  const snapshot = known.get(key) ?? snapshotSchema.parse(inputOf(topology, site, limits));
  known.set(key, snapshot);
  return snapshot;
}

function inputOf(topology: Topology, site: string, limits: Limits): Input {
  const customer = customerOf(topology, site, limits);
  return {
    format: 1,
    version: 1,
    busId: idOf('bus'),
    site: {
      id: idOf(`site ${site}`),
      name: site,
      mode: 'server',
      address: `${site}.example.net:7422`,
      maxPayload: 1024 * 1024,
      durability: 'power',
    },
    control: { leafUrls: [], signKey: '', sealKey: '', caPem: '' },
    customers: [customer],
  };
}

function customerOf({ sites, links, topics }: Topology, self: string, limits: Limits): Customer {
  return {
    id: idOf('customer'),
    name: 'acme',
    isolateApps: false,
    terminalId: idOf(self),
    terminals: sites.map((site) => ({
      id: idOf(site),
      siteId: idOf(`site ${site}`),
      site,
      mode: 'server',
      transit: true,
      signKey: keyNameOf(site),
      linkUser: null,
      isDraining: false,
    })),
    links: links.map(([a, b]) => ({
      id: idOf(`link ${a}${b}`),
      a: idOf(a),
      b: idOf(b),
      cost: 1,
      dialer: idOf(a),
      url: '',
      userJwt: null,
      compress: 'never',
    })),
    topics: topics.map((topic) => topicOf(topic, limits)),
    apps: topics
      .filter(({ at }) => at === self)
      .map(({ name }) => ({ id: idOf(`app ${name}`), name: `app-${name}`, publish: [name], consume: [] })),
  };
}

function topicOf({ name, groups }: Topology['topics'][number], limits: Limits): Topic {
  return {
    id: idOf(name),
    name,
    scope: 'bus',
    maxBytes: 64 * 1024 * 1024,
    maxTransitAgeMs: 86_400_000,
    strict: false,
    dedupeMs: 120_000,
    keyEpoch: null,
    groups: Object.entries(groups).map(([group, terminals]) => groupOf(name, group, terminals, limits)),
  };
}

function groupOf(topic: string, name: string, terminals: string[], limits: Limits): Topic['groups'][number] {
  return {
    id: idOf(`${topic}@${name}`),
    name,
    terminals: terminals.map(idOf),
    policy: 'ordered',
    maxBytes: limits.groupMaxBytes,
    onFull: 'refuse',
    ackWaitMs: 30_000,
    maxDeliver: -1,
    maxAckPending: 1_000,
    failoverAfterMs: 5_000,
    onTerminalLoss: 'wait',
    reassignAfterMs: 3_600_000,
  };
}

/** The name a site's terminal signs with, in place of a public key. */
export function keyNameOf(site: string): string {
  return createHash('sha256').update(`key ${site}`).digest('base64url');
}

/** A UUID that is made of the text. */
export function idOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
