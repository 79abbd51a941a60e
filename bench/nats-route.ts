/** The parts of a route that are the same for the bus and for plain nats-servers: JetStream at both ends. */
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { BusError } from '../src/errors.ts';
import type { Route } from './contender.ts';
import { until } from './wait.ts';

export interface NatsEnds {
  topic: string;
  /** streams `<topic>@<group>`, durables `<group>` */
  groups: readonly string[];
  near: NatsConnection;
  /** where every group is, or where each of them is */
  far: NatsConnection | readonly NatsConnection[];
}

export interface NatsRoute extends Route, NatsEnds {}

/** an acknowledgement for one says that those before it on the connection are stored, too; the checks count them */
const ackEvery = 250;
/** large ones stay far below what the server holds for one connection */
const prefetch = 1_000;

export function natsRoute(ends: NatsEnds, rest: Pick<Route, 'hold' | 'start' | 'close'>): NatsRoute {
  const { topic, groups, near, far } = ends;
  const js = jetstream(near);
  const placeOf = (at: number): NatsConnection => ('length' in far ? present(far[at], 'far site') : far);
  const sinks = groups.map((group, at) => ({ group, nc: placeOf(at) }));
  return {
    ...ends,
    ...rest,
    publish: (payload) => js.publish(topic, payload, { timeout: 60_000 }),
    fill: async (payloads) => {
      let count = 0;
      for (const payload of payloads) {
        count += 1;
        if (count % ackEvery === 0) await js.publish(topic, payload, { timeout: 60_000 });
        else near.publish(topic, payload);
      }
      await near.flush();
    },
    arrived: async () => {
      const consumers = await Promise.all(sinks.map(({ nc, group }) => consumerOf(nc, topic, group)));
      const infos = await Promise.all(consumers.map((consumer) => consumer.info()));
      return Math.min(...infos.map(({ num_pending, num_ack_pending }) => num_pending + num_ack_pending));
    },
    listen: async (take) => {
      const ends = await Promise.all(
        sinks.map(({ nc, group }, at) => listenTo(nc, topic, group, (data) => take(data, at))),
      );
      return async () => {
        await Promise.all(ends.map((end) => end()));
      };
    },
  };
}

async function consumerOf(far: NatsConnection, topic: string, group: string) {
  const js = jetstream(far);
  return until(`consumer of ${topic}@${group}`, async () =>
    js.consumers.get(`${topic}@${group}`, group).catch(() => undefined),
  );
}

async function listenTo(
  far: NatsConnection,
  topic: string,
  group: string,
  take: (payload: Uint8Array) => void,
): Promise<() => Promise<void>> {
  const consumer = await consumerOf(far, topic, group);
  const messages = await consumer.consume({
    max_messages: prefetch,
    callback: (message) => {
      take(message.data);
      message.ack();
    },
  });
  return async () => {
    await messages.close();
    await far.flush();
  };
}

/** E_INTERNAL instead of undefined. */
export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new BusError('E_INTERNAL', `bench: there is no ${what}`);
  return value;
}
