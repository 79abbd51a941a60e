/** Three groups at one far site over 20 Mbit/s and 100 ms: the bus sends one copy, sourcing one for each. */
import { randomLoad } from '../loads.ts';
import { type Part, paired } from '../part.ts';
import { pairRow } from '../rows.ts';

const line = { delayMs: 50, mbit: 20 };
const groups = 3;
const bytes = 1_024;

/** Random bytes, so that what is compared is copies and not compression. */
export const fanOutPart: Part = {
  name: 'fan-out',
  run: async (bench) => {
    const [bus, native] = [await bench.bus(), await bench.native()];
    const run = (contender: typeof bus | typeof native, seconds: number, perSecond: number) => ({
      contender,
      load: randomLoad(bytes, seconds * perSecond),
      conditions: { topic: 'fan', groups, shape: line },
    });
    const seconds = bench.isQuick ? 4 : 10;
    const runs = [run(bus, seconds, 2_300), run(native, seconds, 500)];
    const [mine = [], theirs = []] = await bench.inTurns(bench.isQuick ? 1 : 2, runs);
    const draft = {
      work: `${groups} groups at one far site, 20 Mbit/s, 100 ms, ${bytes} B`,
      unit: 'msg/s of each group',
      peer: native.name,
      target: { of: 'ratio', is: 'atLeast', limit: 3 } as const,
    };
    return [pairRow(draft, paired(mine, theirs), (each) => each.messagesPerSecond)];
  },
};
