/** One hop over a link that nothing slows down: catch-up of a backlog of random bytes. */

import { randomLoad } from '../loads.ts';
import type { Part } from '../part.ts';
import { paired } from '../part.ts';
import { pairRow, type Row, type Target } from '../rows.ts';

interface Size {
  topic: string;
  bytes: number;
  /** of the quick run */
  count: number;
  atLeast: number;
}

const sizes: Size[] = [
  { topic: 'small', bytes: 128, count: 40_000, atLeast: 0.8 },
  { topic: 'medium', bytes: 1_024, count: 25_000, atLeast: 1 },
  { topic: 'large', bytes: 16_384, count: 4_000, atLeast: 1 },
];
const fullFactor = 5;

export const freePart: Part = {
  name: 'free',
  run: async (bench) => {
    const [bus, native] = [await bench.bus(), await bench.native()];
    const rows: Row[] = [];
    for (const { topic, bytes, count, atLeast } of sizes) {
      const load = randomLoad(bytes, count * (bench.isQuick ? 1 : fullFactor));
      const runs = [bus, native].map((contender) => ({ contender, load, conditions: { topic } }));
      const [mine = [], theirs = []] = await bench.inTurns(bench.isQuick ? 1 : 3, runs);
      const target: Target = { of: 'ratio', is: 'atLeast', limit: atLeast };
      const draft = { work: `one hop, free link, ${bytes} B`, unit: 'msg/s', peer: native.name, target };
      rows.push(pairRow(draft, paired(mine, theirs), (each) => each.messagesPerSecond));
    }
    return rows;
  },
};
