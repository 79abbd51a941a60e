/** One hop over a line: 20 Mbit/s with 100 ms of round trip, and 2 Mbit/s with 300 ms. The market feed, catch-up, goodput. */
import type { Contender } from '../contender.ts';
import { type Bench, type Part, paired } from '../part.ts';
import { pairRow, type Row, type Target } from '../rows.ts';

/** Messages so that each contender is busy for some seconds on the line. */
interface Counts {
  bus: number;
  native: number;
  packed: number;
}

const broad = { delayMs: 50, mbit: 20 };
const narrow = { delayMs: 150, mbit: 2 };
const full: Counts = { bus: 400_000, native: 50_000, packed: 150_000 };
const quick: Counts = { bus: 80_000, native: 10_000, packed: 20_000 };

export const shapedPart: Part = {
  name: 'shaped',
  run: async (bench) => [
    ...(await overLine(bench, '20 Mbit/s, 100 ms', broad, bench.isQuick ? quick : full, true)),
    ...(bench.isQuick ? [] : await overLine(bench, '2 Mbit/s, 300 ms', narrow, scaled(full, 0.12), false)),
  ],
};

async function overLine(
  bench: Bench,
  line: string,
  shape: { delayMs: number; mbit: number },
  counts: Counts,
  isJudged: boolean,
): Promise<Row[]> {
  const rounds = bench.isQuick || !isJudged ? 1 : 2;
  const contenders = { bus: await bench.bus(), native: await bench.native(), packed: await bench.nativePacked() };
  const run = (contender: Contender, count: number) => ({
    contender,
    load: bench.feed.load(count),
    conditions: { topic: 'feed', shape },
  });
  const runs = [
    run(contenders.bus, counts.bus),
    run(contenders.native, counts.native),
    run(contenders.packed, counts.packed),
  ];
  const [mine = [], plain = [], packed = []] = await bench.inTurns(rounds, runs);
  const rowOf = (peer: Contender, theirs: typeof mine, atLeast: number): Row => {
    const target: Target | null = isJudged ? { of: 'ratio', is: 'atLeast', limit: atLeast } : null;
    const draft = { work: `one hop, ${line}, ${bench.feed.name}`, unit: 'Mbit/s of payload', peer: peer.name, target };
    return pairRow(draft, paired(mine, theirs), (each) => each.megabitsPerSecond);
  };
  return [rowOf(contenders.native, plain, 8), rowOf(contenders.packed, packed, 2.5)];
}

function scaled(counts: Counts, factor: number): Counts {
  const { bus, native, packed } = counts;
  return { bus: bus * factor, native: native * factor, packed: packed * factor };
}
