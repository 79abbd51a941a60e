/**
 * Three groups over links of 20 Mbit/s and 100 ms: at one far site, where the bus sends one copy and sourcing one for each,
 * and at three far sites, where everybody sends three and the bus seals once.
 */
import { join } from 'node:path';
import { startBus } from '../bus.ts';
import type { Contender } from '../contender.ts';
import { randomLoad } from '../loads.ts';
import { type Bench, type Part, paired } from '../part.ts';
import { startNative } from '../peers/native.ts';
import { pairRow, type Row, type Target } from '../rows.ts';

const line = { delayMs: 50, mbit: 20 };
const groups = 3;
const bytes = 1_024;

export const fanOutPart: Part = {
  name: 'fan-out',
  run: async (bench) => [
    await fanOutRow(bench, { bus: await bench.bus(), native: await bench.native() }, 'one far site', 500, {
      of: 'ratio',
      is: 'atLeast',
      limit: 3,
    }),
    ...(bench.isQuick ? [] : [await threeSites(bench)]),
  ],
};

async function threeSites(bench: Bench): Promise<Row> {
  const topics = [{ topic: 'fan', groups }];
  const contenders = {
    bus: await bench.contender('bus3', () => startBus({ dir: join(bench.dir, 'bus3'), topics, farSites: 3 })),
    native: await bench.contender('native3', () => startNative({ dir: join(bench.dir, 'native3'), farSites: 3 })),
  };
  const row = await fanOutRow(bench, contenders, 'three far sites', 1_500, null);
  await bench.release('bus3');
  await bench.release('native3');
  return row;
}

/** Random bytes, so that what is compared is copies and not compression; a backlog for some seconds on the line. */
async function fanOutRow(
  bench: Bench,
  { bus, native }: { bus: Contender; native: Contender },
  where: string,
  nativePerSecond: number,
  target: Target | null,
): Promise<Row> {
  const seconds = bench.isQuick ? 4 : 10;
  const run = (contender: Contender, perSecond: number) => ({
    contender,
    load: randomLoad(bytes, seconds * perSecond),
    conditions: { topic: 'fan', groups, shape: line },
  });
  const runs = [run(bus, 2_300), run(native, nativePerSecond)];
  const [mine = [], theirs = []] = await bench.inTurns(bench.isQuick ? 1 : 2, runs);
  const draft = {
    work: `${groups} groups at ${where}, 20 Mbit/s, 100 ms, ${bytes} B`,
    unit: 'msg/s of each group',
    peer: native.name,
    target,
  };
  return pairRow(draft, paired(mine, theirs), (each) => each.messagesPerSecond);
}
