/** The bus as a contender: a lab of two sites and one link, traffic sealed, published and consumed by an application. */
import { readFile } from 'node:fs/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { BusError } from '../src/errors.ts';
import { type LabInfo, labCut, labDown, labRestore, labUp } from '../src/lab/index.ts';
import type { Route } from './measure.ts';

const group = 'far';
const link = { customer: 'bench', a: 'near', b: 'far' };

export interface BusPair {
  route(topic: string): Promise<Route>;
  /** takes and forgets what waits for the far group */
  drain(topic: string, count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Both sites of the given durability class. */
export async function startBus(
  dir: string,
  topics: string[],
  progress: (line: string) => void,
  durability: 'process' | 'power' = 'process',
): Promise<BusPair> {
  const lab = await labUp({ text: busFile(topics, durability), fileName: 'bench', dir, progress });
  const [near, far] = [await connectApp(lab, 'bench/source'), await connectApp(lab, 'bench/sink')];
  return {
    route: async (topic) => ({
      topic,
      group,
      near,
      far,
      hold: async () => {
        await labCut(dir, link);
      },
      start: async () => {
        await labRestore(dir, link);
      },
      close: async () => undefined,
    }),
    drain: async (topic, count) => {
      const consumer = await jetstream(far).consumers.get(`${topic}@${group}`, group);
      for (let taken = 0; taken < count; ) {
        for await (const message of await consumer.fetch({ max_messages: 500, expires: 5_000 })) {
          message.ack();
          taken += 1;
        }
      }
    },
    stop: async () => {
      await Promise.allSettled([near.close(), far.close()]);
      await labDown(dir, { keep: false });
    },
  };
}

function busFile(topics: string[], durability: 'process' | 'power'): string {
  const groups = [{ name: group, terminals: ['far'] }];
  return JSON.stringify({
    sites: [
      { name: 'near', mode: 'server', address: 'near.example.net:7422', durability },
      { name: 'far', mode: 'client', durability },
    ],
    customers: [
      {
        name: link.customer,
        terminals: ['near', 'far'],
        links: [{ between: ['near', 'far'], compress: 'never' }],
        topics: topics.map((name) => ({ name, groups })),
        apps: [
          { name: 'source', terminal: 'near', publish: topics },
          { name: 'sink', terminal: 'far', consume: topics.map((topic) => `${topic}@${group}`) },
        ],
      },
    ],
  });
}

async function connectApp(lab: LabInfo, app: string): Promise<NatsConnection> {
  const access = lab.apps[app];
  if (!access) throw new BusError('E_INTERNAL', `the lab has no application ${app}`);
  const authenticator = credsAuthenticator(await readFile(access.creds));
  return connect({ servers: access.nats, authenticator, maxReconnectAttempts: -1, name: app });
}
