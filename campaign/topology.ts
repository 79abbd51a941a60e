/**
 * A bus drawn from a seed: sites in server and client mode, two customers on some of them each, links that connect every
 * customer's terminals with a server at one end at least, topics with the names of the input, and groups of all policies.
 * Both customers use the same names for topics, groups and applications, so whatever went to the wrong one would show. Pure.
 */
import type { BusFile, CustomerSpec, GroupSpec, LinkSpec, TopicSpec } from '../src/config/bus-file.ts';
import { busFileSchema } from '../src/config/bus-file.ts';
import { Random } from './random.ts';

const siteNames = ['tokyo', 'frankfurt', 'virginia', 'paulo', 'sydney', 'mumbai', 'cape', 'oslo'] as const;
const customerNames = ['acme', 'globex'] as const;
const groupNames = ['risk', 'archive', 'desk'] as const;
const policies = ['nearest', 'spread', 'ordered'] as const;
const mebibyte = 1024 * 1024;

export const minSites = 3;
export const maxSites = siteNames.length;
/** a consumer's time to acknowledge: short, so that what a kill interrupted comes again within the campaign */
export const ackWaitMs = 4_000;

export interface PublisherJob {
  /** `customer.site.topic`: first part of its messages' ids, unique */
  name: string;
  customer: string;
  site: string;
  topic: string;
  app: string;
}

export interface ConsumerJob {
  customer: string;
  site: string;
  /** `topic@group` */
  group: string;
  app: string;
  /** how many of them at this terminal */
  count: number;
}

export interface Topology {
  file: BusFile;
  publishers: PublisherJob[];
  consumers: ConsumerJob[];
}

export interface TopologyOptions {
  seed: number;
  /** topics the input has; each customer uses up to two */
  topics: readonly string[];
  /** how many sites, drawn when absent */
  sites?: number;
}

export function drawTopology({ seed, topics, sites: count }: TopologyOptions): Topology {
  const random = new Random(seed, 'topology');
  const drawn = random.between(minSites, maxSites);
  const sites = siteNames.slice(0, count ?? drawn).map((name, at) => ({
    name,
    mode: at >= 2 && random.chance(0.35) ? ('client' as const) : ('server' as const),
  }));
  const customers = customerNames.map((name) => drawCustomer(random, name, sites, topics));
  const file = busFileSchema.parse({
    sites: sites.map(({ name, mode }) => ({
      name,
      mode,
      ...(mode === 'server' && { address: `${name}.example.net:7422` }),
    })),
    customers,
  });
  return { file, ...jobsOf(file) };
}

interface Site {
  name: string;
  mode: 'server' | 'client';
}

function drawCustomer(random: Random, name: string, all: readonly Site[], topics: readonly string[]): unknown {
  const others = random.sample(all.slice(2), random.between(1, all.length - 2));
  // the first two are servers: a customer has both, so that there is a second way for some
  const sites = [all[0]!, all[1]!, ...others];
  const terminals = sites.map((site) => site.name);
  const used = random.sample(topics, 2);
  return {
    name,
    terminals,
    links: drawLinks(random, sites),
    topics: used.map((topic, at) => drawTopic(random, topic, terminals, at === 0 ? 2 : random.between(1, 3))),
    apps: terminals.flatMap((terminal) => [
      { name: `${terminal}-in`, terminal, publish: used },
      { name: `${terminal}-out`, terminal, consume: [] },
    ]),
  };
}

/** A tree, and about half as many links again. */
function drawLinks(random: Random, sites: readonly Site[]): Pick<LinkSpec, 'between' | 'cost'>[] {
  const servers = sites.filter(({ mode }) => mode === 'server');
  const pairs = new Map<string, [string, string]>();
  const add = (a: string, b: string): void => void pairs.set([a, b].sort().join(' '), [a, b]);
  const ordered = [...servers, ...sites.filter(({ mode }) => mode === 'client')];
  ordered.forEach((site, at) => {
    const before = servers.slice(0, Math.min(at, servers.length));
    if (before.length > 0) add(site.name, random.pick(before).name);
  });
  for (let extra = Math.ceil(sites.length / 2); extra > 0; extra--) {
    const [a, b] = [random.pick(servers), random.pick(sites)];
    if (a.name !== b.name) add(a.name, b.name);
  }
  return [...pairs.values()].map((between) => ({ between, cost: random.between(1, 4) }));
}

function drawTopic(random: Random, name: string, terminals: readonly string[], groups: number): unknown {
  return {
    name,
    maxBytes: 64 * mebibyte,
    dedupeMs: 100,
    groups: groupNames.slice(0, groups).map((group, at) => ({
      name: group,
      // the first lives at one place, so that its ledger needs no leniency (docs/campaign.md)
      terminals: random.sample(terminals, at === 0 ? 1 : random.between(1, Math.min(3, terminals.length))),
      policy: random.pick(policies),
      maxBytes: 64 * mebibyte,
      ackWaitMs,
      failoverAfterMs: 3_000,
    })),
  };
}

/** Publishers at up to two sites per topic, a consumer at every terminal of every group; rights follow from that. */
function jobsOf(file: BusFile): Pick<Topology, 'publishers' | 'consumers'> {
  const publishers: PublisherJob[] = [];
  const consumers: ConsumerJob[] = [];
  for (const customer of file.customers) {
    customer.topics.forEach((topic, at) => {
      for (const site of publishingSites(customer, at)) publishers.push(publisherOf(customer, site, topic));
      for (const group of topic.groups) consumers.push(...consumersOf(customer, topic, group));
    });
    for (const app of customer.apps) {
      app.consume = [
        ...new Set(consumers.filter((job) => job.app === `${customer.name}/${app.name}`).map((job) => job.group)),
      ];
    }
  }
  return { publishers, consumers };
}

function publishingSites({ terminals }: CustomerSpec, topic: number): string[] {
  return [...new Set([terminals[topic % terminals.length]!, terminals[terminals.length - 1]!])];
}

function publisherOf(customer: CustomerSpec, site: string, topic: TopicSpec): PublisherJob {
  const name = `${customer.name}.${site}.${topic.name}`;
  return { name, customer: customer.name, site, topic: topic.name, app: `${customer.name}/${site}-in` };
}

function consumersOf(customer: CustomerSpec, topic: TopicSpec, group: GroupSpec): ConsumerJob[] {
  return group.terminals.map((site, at) => ({
    customer: customer.name,
    site,
    group: `${topic.name}@${group.name}`,
    app: `${customer.name}/${site}-out`,
    count: at === 0 ? 2 : 1,
  }));
}
