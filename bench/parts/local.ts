/**
 * Within one site: publishing with PubAck and delivery of a topic of scope lan, against a bare nats-server with the same
 * durability; and delivery of a routed topic, which nats-server sources into the group's stream.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { say } from '../../demo/program.ts';
import { labDown, labUp } from '../../src/lab/index.ts';
import { connectApp } from '../bus.ts';
import { randomLoad } from '../loads.ts';
import { Fingerprint } from '../measure.ts';
import type { Bench, Part } from '../part.ts';
import { median, type Row, type RowDraft, row } from '../rows.ts';

const customer = 'bench';
const messageBytes = 1_024;
const window = 256;
const prefetch = 1_000;
const quietMs = 5_000;

/** Where messages are published and taken. */
interface Place {
  nc: NatsConnection;
  topic: string;
  stream: string;
  durable: string;
}

interface Rates {
  /** messages a second that were acknowledged, 256 under way */
  publish: number;
  /** messages a second that one consumer took and acknowledged */
  deliver: number;
  wrong: number;
}

export const localPart: Part = {
  name: 'local',
  run: async (bench) => {
    const dir = join(bench.dir, 'local');
    try {
      const lab = await labUp({ text: busFile(), fileName: 'local', dir, progress: say });
      const nc = await connectApp(lab, `${customer}/app`);
      const bare = await bareStream(bench);
      const lan = { nc, topic: 'lan', stream: 'lan', durable: 'desk' };
      const routed = { nc, topic: 'routed', stream: 'routed@desk', durable: 'desk' };
      const runs = await inTurns(bench, [lan, bare, routed]);
      await nc.close();
      return rowsOf(runs);
    } finally {
      await labDown(dir, { keep: false });
    }
  },
};

async function inTurns(bench: Bench, places: readonly Place[]): Promise<Rates[][]> {
  const runs: Rates[][] = places.map(() => []);
  for (let round = 1; round <= (bench.isQuick ? 2 : 5); round++) {
    for (const [at, place] of places.entries()) {
      const rates = await measurePlace(place, bench.isQuick ? 10_000 : 40_000);
      runs[at]?.push(rates);
      const [publish, deliver] = [rates.publish, rates.deliver].map((rate) => Math.round(rate).toLocaleString('en'));
      say(`${place.stream}, round ${round}: ${publish} published and ${deliver} delivered a second`);
    }
  }
  return runs;
}

async function measurePlace(place: Place, count: number): Promise<Rates> {
  const sent = new Fingerprint();
  const payloads = [...randomLoad(messageBytes, count).payloads()];
  for (const payload of payloads) sent.add(payload);
  const publish = await publishAll(place, payloads);
  const { rate, got } = await takeAll(place, count);
  return { publish, deliver: rate, wrong: got.wrongAgainst(sent) };
}

async function publishAll({ nc, topic }: Place, payloads: readonly Buffer[]): Promise<number> {
  const js = jetstream(nc);
  const startMs = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let payload = payloads[next++]; payload !== undefined; payload = payloads[next++]) {
      await js.publish(topic, payload, { timeout: 30_000 });
    }
  };
  await Promise.all(Array.from({ length: window }, lane));
  return (payloads.length * 1_000) / (performance.now() - startMs);
}

/** Hashes only after the clock has stopped. */
async function takeAll({ nc, stream, durable }: Place, count: number): Promise<{ rate: number; got: Fingerprint }> {
  const consumer = await jetstream(nc).consumers.get(stream, durable);
  const taken: Uint8Array[] = [];
  const startMs = performance.now();
  let lastMs = startMs;
  const messages = await consumer.consume({
    max_messages: prefetch,
    callback: (message) => {
      taken.push(message.data);
      message.ack();
      lastMs = performance.now();
    },
  });
  while (taken.length < count && performance.now() - lastMs < quietMs) await delay(2);
  await messages.close();
  await nc.flush();
  const got = new Fingerprint();
  for (const payload of taken) got.add(payload);
  return { rate: (taken.length * 1_000) / (lastMs - startMs), got };
}

function rowsOf([lan = [], bare = [], routed = []]: readonly Rates[][]): Row[] {
  const draft = (mine: readonly Rates[], of: 'publish' | 'deliver'): Omit<RowDraft, 'work'> => ({
    unit: 'msg/s',
    value: median(mine.map((each) => each[of])),
    peer: 'bare nats-server',
    peerValue: median(bare.map((each) => each[of])),
    ratio: median(mine.map((each, round) => each[of] / (bare[round]?.[of] ?? Number.NaN))),
    wrong: mine.reduce((sum, { wrong }) => sum + wrong, 0),
    peerWrong: bare.reduce((sum, { wrong }) => sum + wrong, 0),
  });
  const target = { of: 'ratio', is: 'atLeast', limit: 0.95 } as const;
  return [
    row({ work: `local publish with PubAck, ${messageBytes} B`, ...draft(lan, 'publish'), target }),
    row({ work: `local delivery, scope lan, ${messageBytes} B`, ...draft(lan, 'deliver'), target }),
    row({ work: `local publish to a routed topic, ${messageBytes} B`, ...draft(routed, 'publish') }),
    row({ work: `local delivery of a routed topic, ${messageBytes} B`, ...draft(routed, 'deliver') }),
  ];
}

/** The same stream and durable as the bus makes, without anything around them. */
async function bareStream(bench: Bench): Promise<Place> {
  const { near: nc } = await bench.native();
  const manager = await jetstreamManager(nc);
  await manager.streams.add({ name: 'bare', subjects: ['bare', 'bare.>'], retention: 'interest', discard: 'new' });
  await manager.consumers.add('bare', { durable_name: 'desk', ack_policy: 'explicit', max_ack_pending: 10_000 });
  return { nc, topic: 'bare', stream: 'bare', durable: 'desk' };
}

function busFile(): string {
  const groups = [{ name: 'desk', terminals: ['near'] }];
  return JSON.stringify({
    sites: [{ name: 'near', mode: 'server', address: 'near.example.net:7422', durability: 'process' }],
    customers: [
      {
        name: customer,
        terminals: ['near'],
        topics: [
          { name: 'lan', scope: 'lan', groups },
          { name: 'routed', groups },
        ],
        apps: [{ name: 'app', terminal: 'near', publish: ['lan', 'routed'], consume: ['lan@desk', 'routed@desk'] }],
      },
    ],
  });
}
