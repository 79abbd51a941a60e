/** The price of sealing: the bus beside itself without encryption and signatures, catch-up over a free link. */
import { fileURLToPath } from 'node:url';
import { randomLoad } from '../loads.ts';
import { type Part, paired } from '../part.ts';
import { pairRow } from '../rows.ts';

const bytes = 1_024;
const program = fileURLToPath(new URL('../unsealed/register.ts', import.meta.url));

export const sealingPart: Part = {
  name: 'sealing',
  run: async (bench) => {
    const [sealed, unsealed] = [await bench.bus(), await bench.busWith('unsealed', `--import ${program}`)];
    const load = randomLoad(bytes, bench.isQuick ? 20_000 : 100_000);
    const runs = [sealed, unsealed].map((contender) => ({ contender, load, conditions: { topic: 'medium' } }));
    const [mine = [], theirs = []] = await bench.inTurns(bench.isQuick ? 1 : 3, runs);
    await bench.release('unsealed');
    const draft = {
      work: `price of sealing, one hop, free link, ${bytes} B`,
      unit: 'msg/s',
      peer: 'the bus, unsealed',
      target: { of: 'ratio', is: 'atLeast', limit: 0.9 } as const,
    };
    return [pairRow(draft, paired(mine, theirs), (each) => each.messagesPerSecond)];
  },
};
