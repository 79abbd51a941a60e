/** The bus as a contender: a lab of one near and one or three far sites, a link to each, published and consumed by applications. */
import { readFile } from 'node:fs/promises';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { say } from '../demo/program.ts';
import {
  type LabInfo,
  type LinkRef,
  labCut,
  labDown,
  labLinks,
  labRestore,
  labShape,
  labUp,
} from '../src/lab/index.ts';
import type { Contender, RouteOptions } from './contender.ts';
import { type NatsRoute, natsRoute, present } from './nats-route.ts';

const customer = 'bench';
const groupNames = ['far', 'far2', 'far3'];

export interface BusOptions {
  dir: string;
  topics: readonly RouteOptions[];
  durability?: 'process' | 'power';
  name?: string;
  /** of each topic and group, bytes */
  maxBytes?: number;
  /** 1: all groups are there; 3: each group has a site of its own */
  farSites?: 1 | 3;
  readyMs?: number;
  /** of the node that its programs run in */
  nodeOptions?: string;
}

export interface BusContender extends Contender {
  lab: LabInfo;
  route(options: RouteOptions): Promise<NatsRoute>;
}

/** Both sites of the given durability class, and compression of bodies as the bus chooses it by itself. */
export async function startBus(options: BusOptions): Promise<BusContender> {
  const { dir, name = 'bus' } = options;
  const lab = await startLab(options);
  const sites = farSites(options);
  const near = await connectApp(lab, `${customer}/source`);
  const sinks = await Promise.all(sites.map((site) => connectApp(lab, `${customer}/sink-${site}`)));
  const onLinks = (work: (dir: string, link: LinkRef) => Promise<unknown>) => async (): Promise<void> =>
    void (await Promise.all(sites.map((site) => work(dir, { customer, a: 'near', b: site }))));
  const [cut, restore] = [onLinks(labCut), onLinks(labRestore)];
  return {
    name,
    isDeclared: true,
    lab,
    route: async ({ topic, groups = 1 }) =>
      natsRoute(
        {
          topic,
          groups: groupNames.slice(0, groups),
          near,
          far: sites.length === 1 ? present(sinks[0], 'sink') : sinks,
        },
        { hold: cut, start: restore, close: async () => undefined },
      ),
    shape: (shape) => onLinks((_, link) => labShape(dir, link, shape))(),
    cut,
    restore,
    linkBytes: async () => {
      const stats = (await labLinks(dir)).filter((each) => each.link.includes(customer));
      return stats.reduce((sum, { bytes: { up, down } }) => sum + up + down, 0);
    },
    stop: async () => {
      await Promise.allSettled([near, ...sinks].map((nc) => nc.close()));
      await labDown(dir, { keep: false });
    },
  };
}

/** The lab's programs take the environment of this process. */
async function startLab(options: BusOptions): Promise<LabInfo> {
  const { dir, nodeOptions, readyMs } = options;
  const before = process.env.NODE_OPTIONS;
  if (nodeOptions !== undefined) process.env.NODE_OPTIONS = nodeOptions;
  try {
    const patience = readyMs === undefined ? {} : { readyMs };
    return await labUp({ text: busFile(options), fileName: 'bench', dir, progress: say, ...patience });
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

function farSites({ farSites: count = 1 }: BusOptions): string[] {
  return groupNames.slice(0, count);
}

function busFile(options: BusOptions): string {
  const { topics, durability = 'process', maxBytes } = options;
  const room = maxBytes === undefined ? {} : { maxBytes };
  const names = topics.map(({ topic }) => topic);
  const sites = farSites(options);
  const siteOf = (group: string): string => (sites.includes(group) ? group : 'far');
  return JSON.stringify({
    sites: [
      { name: 'near', mode: 'server', address: 'near.example.net:7422', durability },
      ...sites.map((name) => ({ name, mode: 'client', durability })),
    ],
    customers: [
      {
        name: customer,
        terminals: ['near', ...sites],
        links: sites.map((site) => ({ between: ['near', site] })),
        topics: topics.map(({ topic: name, groups = 1 }) => ({
          name,
          ...room,
          groups: groupNames.slice(0, groups).map((group) => ({ name: group, terminals: [siteOf(group)], ...room })),
        })),
        apps: [
          { name: 'source', terminal: 'near', publish: names },
          ...sites.map((site) => ({
            name: `sink-${site}`,
            terminal: site,
            consume: topics.flatMap(({ topic, groups = 1 }) =>
              groupNames
                .slice(0, groups)
                .filter((group) => siteOf(group) === site)
                .map((group) => `${topic}@${group}`),
            ),
          })),
        ],
      },
    ],
  });
}

/** An application of a lab: `customer/app`. */
export async function connectApp(lab: LabInfo, app: string): Promise<NatsConnection> {
  const { nats, creds } = present(lab.apps[app], `application ${app}`);
  const authenticator = credsAuthenticator(await readFile(creds));
  return connect({ servers: nats, authenticator, maxReconnectAttempts: -1, name: app });
}
