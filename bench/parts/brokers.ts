/** The bus beside brokers of other kinds: one hop, free and over 20 Mbit/s with 100 ms of round trip. */
import type { Contender } from '../contender.ts';
import { randomLoad } from '../loads.ts';
import { type Bench, type Part, paired } from '../part.ts';
import { pairRow, type Row, type RowDraft, skipped, type Target } from '../rows.ts';

const bytes = 1_024;
const line = { delayMs: 50, mbit: 20 };
const atLeast = (limit: number): Target => ({ of: 'ratio', is: 'atLeast', limit });
const memory = 'acknowledges from memory, and writes a snapshot now and then';

interface Peer {
  contender: Contender | undefined;
  name: string;
  target: Target;
  note?: string;
}

export const brokersPart: Part = {
  name: 'brokers',
  run: async (bench) => {
    const [rabbit, mosquitto, saving] = [await bench.rabbit(), await bench.mosquitto(), await bench.mosquitto(1)];
    const peers: Peer[] = [
      { contender: rabbit, name: 'RabbitMQ shovel', target: atLeast(3) },
      { contender: mosquitto, name: 'Mosquitto bridge', target: atLeast(1), note: memory },
      { contender: saving, name: 'Mosquitto bridge, autosave 1 s', target: atLeast(1), note: memory },
    ];
    const free = await freeRows(bench, peers);
    await bench.release('mosquitto1');
    return [...free, ...(await lineRows(bench, peers.slice(0, 2)))];
  },
};

async function freeRows(bench: Bench, peers: readonly Peer[]): Promise<Row[]> {
  const load = randomLoad(bytes, bench.isQuick ? 10_000 : 80_000);
  const bus = { contender: await bench.bus(), load, conditions: { topic: 'medium' } };
  const present = peers.flatMap(({ contender }) => (contender === undefined ? [] : [contender]));
  const runs = [bus, ...present.map((contender) => ({ ...bus, contender }))];
  const [mine = [], ...others] = await bench.inTurns(bench.isQuick ? 1 : 2, runs);
  return peers.map((peer) => {
    const draft = draftOf(peer, `one hop, free link, ${bytes} B`, 'msg/s', peer.target);
    const theirs = peer.contender && others[present.indexOf(peer.contender)];
    return theirs === undefined
      ? skipped(draft, `there is no ${peer.name} here`)
      : pairRow(draft, paired(mine, theirs), (each) => each.messagesPerSecond);
  });
}

async function lineRows(bench: Bench, peers: readonly Peer[]): Promise<Row[]> {
  const conditions = { topic: 'feed', shape: line };
  const present = peers.flatMap(({ contender }) => (contender === undefined ? [] : [contender]));
  const runs = [
    { contender: await bench.bus(), load: bench.feed.load(bench.isQuick ? 80_000 : 400_000), conditions },
    ...present.map((contender) => ({ contender, load: bench.feed.load(bench.isQuick ? 10_000 : 60_000), conditions })),
  ];
  const [mine = [], ...others] = await bench.inTurns(bench.isQuick ? 1 : 2, runs);
  return peers.map((peer) => {
    const work = `one hop, 20 Mbit/s, 100 ms, ${bench.feed.name}`;
    const draft = draftOf(peer, work, 'Mbit/s of payload', atLeast(6));
    const theirs = peer.contender && others[present.indexOf(peer.contender)];
    return theirs === undefined
      ? skipped(draft, `there is no ${peer.name} here`)
      : pairRow(draft, paired(mine, theirs), (each) => each.megabitsPerSecond);
  });
}

function draftOf({ name, note = '' }: Peer, work: string, unit: string, target: Target): RowDraft {
  return { work, unit, peer: name, target, note };
}
