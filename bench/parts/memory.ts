/** What the sidecars of a site take: at rest with many topics, and while a backlog drains. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pidsOf } from '../../src/lab/index.ts';
import { startBus } from '../bus.ts';
import { randomLoad } from '../loads.ts';
import { measure } from '../measure.ts';
import type { Bench, Part } from '../part.ts';
import { type Row, row } from '../rows.ts';

const sites = ['near', 'far'];
const restMs = 5_000;
const pollMs = 250;
const messageBytes = 128;
const spare = 8 * 1024 ** 3;

interface MemoryWork {
  topics: number;
  backlog: number;
}

export const memoryPart: Part = {
  name: 'memory',
  run: (bench) => memoryRows(bench, { topics: 100, backlog: bench.isQuick ? 20_000 : 300_000 }),
};

/** 1,000 flows and ten million messages take their time. */
export const largeMemoryPart: Part = {
  name: 'large-memory',
  run: (bench) => memoryRows(bench, { topics: 1_000, backlog: bench.isQuick ? 1_000_000 : 10_000_000 }),
};

async function memoryRows(bench: Bench, { topics, backlog }: MemoryWork): Promise<Row[]> {
  const dir = join(bench.dir, `memory-${topics}`);
  const names = Array.from({ length: topics - 1 }, (_, at) => ({ topic: `idle${at}` }));
  const bus = await startBus({ dir, topics: [{ topic: 'load' }, ...names], maxBytes: spare, readyMs: 600_000 });
  try {
    await delay(restMs);
    const idle = await largest(dir);
    const peak = watchPeak(dir);
    const { messagesPerSecond, wrong } = await measure(bus, randomLoad(messageBytes, backlog), { topic: 'load' });
    const whileDraining = await peak();
    const below = (limit: number) => ({ of: 'value', is: 'below', limit }) as const;
    const note = topics < 1_000 ? 'more of both: --curves' : '';
    return [
      row({
        work: `sidecar memory, ${topics} flows, idle`,
        unit: 'MB resident',
        value: idle,
        target: below(200),
        note,
      }),
      row({
        work: `sidecar memory, a backlog of ${backlog.toLocaleString('en')} x ${messageBytes} B drains`,
        unit: 'MB resident, peak',
        value: whileDraining,
        target: below(400),
        wrong,
        note: `${Math.round(messagesPerSecond).toLocaleString('en')} msg/s`,
      }),
    ];
  } finally {
    await bus.stop();
  }
}

/** Resident megabytes of the sidecar that has most. */
async function largest(dir: string): Promise<number> {
  const pids = (await Promise.all(sites.map((site) => pidsOf(dir, site, 'sidecar')))).flat();
  const sizes = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, 'utf8')));
  return Math.max(...sizes.map((status) => Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024));
}

/** Watches until the function it returns is called, which resolves with the most there was. */
function watchPeak(dir: string): () => Promise<number> {
  let isOver = false;
  const watching = (async () => {
    let peak = 0;
    while (!isOver) {
      peak = Math.max(peak, await largest(dir));
      await delay(pollMs);
    }
    return peak;
  })();
  return () => {
    isOver = true;
    return watching;
  };
}
