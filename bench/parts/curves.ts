/** Cost curves, without targets: throughput of one hop by message size and by groups at the far site. */
import { randomLoad } from '../loads.ts';
import type { Bench, Part } from '../part.ts';
import { median, type Row, row } from '../rows.ts';

const sizes = [64, 128, 512, 1_024, 4_096, 16_384, 65_536];
const totalBytes = 64 * 1024 * 1024;
const mostMessages = 200_000;

export const curvesPart: Part = {
  name: 'curves',
  run: async (bench) => [
    ...(await curve(bench, sizes, (bytes) => ({ topic: 'medium', groups: 1, bytes, what: `${bytes} B` }))),
    ...(await curve(bench, [1, 3], (groups) => ({
      topic: groups === 1 ? 'medium' : 'fan',
      groups,
      bytes: 1_024,
      what: `1024 B, ${groups} groups at the far site`,
    }))),
  ],
};

async function curve(
  bench: Bench,
  steps: readonly number[],
  pointOf: (step: number) => { topic: string; groups: number; bytes: number; what: string },
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const step of steps) {
    const { topic, groups, bytes, what } = pointOf(step);
    const load = randomLoad(bytes, Math.min(mostMessages, Math.floor(totalBytes / bytes)));
    const run = { contender: await bench.bus(), load, conditions: { topic, groups } };
    const [runs = []] = await bench.inTurns(bench.isQuick ? 1 : 3, [run]);
    const value = median(runs.map((each) => each.messagesPerSecond));
    const wrong = runs.reduce((sum, each) => sum + each.wrong, 0);
    rows.push(row({ work: `one hop, free link, ${what}`, unit: 'msg/s', value, wrong }));
  }
  return rows;
}
