/** The bus as a contender: a lab of two sites and one link, traffic sealed, published and consumed by applications. */
import { readFile } from 'node:fs/promises';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { say } from '../demo/program.ts';
import { type LabInfo, labCut, labDown, labLinks, labRestore, labShape, labUp } from '../src/lab/index.ts';
import type { Contender, RouteOptions } from './contender.ts';
import { type NatsRoute, natsRoute, present } from './nats-route.ts';

const customer = 'bench';
const link = { customer, a: 'near', b: 'far' };
const groupNames = ['far', 'far2', 'far3'];

export interface BusOptions {
  dir: string;
  topics: readonly RouteOptions[];
  durability?: 'process' | 'power';
  name?: string;
  /** of each topic and group, bytes */
  maxBytes?: number;
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
  const [near, far] = [await connectApp(lab, `${customer}/source`), await connectApp(lab, `${customer}/sink`)];
  const cut = async (): Promise<void> => void (await labCut(dir, link));
  const restore = async (): Promise<void> => void (await labRestore(dir, link));
  return {
    name,
    isDeclared: true,
    lab,
    route: async ({ topic, groups = 1 }) =>
      natsRoute(
        { topic, groups: groupNames.slice(0, groups), near, far },
        { hold: cut, start: restore, close: async () => undefined },
      ),
    shape: async (shape) => void (await labShape(dir, link, shape)),
    cut,
    restore,
    linkBytes: async () => {
      const stats = (await labLinks(dir)).find((each) => each.link.includes(customer));
      const { up, down } = present(stats, 'link in the lab').bytes;
      return up + down;
    },
    stop: async () => {
      await Promise.allSettled([near.close(), far.close()]);
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

function busFile({ topics, durability = 'process', maxBytes }: BusOptions): string {
  const room = maxBytes === undefined ? {} : { maxBytes };
  const names = topics.map(({ topic }) => topic);
  return JSON.stringify({
    sites: [
      { name: 'near', mode: 'server', address: 'near.example.net:7422', durability },
      { name: 'far', mode: 'client', durability },
    ],
    customers: [
      {
        name: customer,
        terminals: ['near', 'far'],
        links: [{ between: ['near', 'far'] }],
        topics: topics.map(({ topic: name, groups = 1 }) => ({
          name,
          ...room,
          groups: groupNames.slice(0, groups).map((group) => ({ name: group, terminals: ['far'], ...room })),
        })),
        apps: [
          { name: 'source', terminal: 'near', publish: names },
          {
            name: 'sink',
            terminal: 'far',
            consume: topics.flatMap(({ topic, groups = 1 }) =>
              groupNames.slice(0, groups).map((group) => `${topic}@${group}`),
            ),
          },
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
