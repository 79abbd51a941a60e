/**
 *   tokyo ══╳═══ frankfurt     a backlog of 300,000 messages grows at tokyo while the link is cut, and drains when it is back;
 *                              neither sidecar may need memory in proportion
 */
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { labCut, labRestore } from '../../src/lab/index.ts';
import { metricOf, sidecarConnection, useBus } from '../support/bus.ts';
import { until } from '../support/tcp.ts';
import { twoSites } from '../support/topologies.ts';

const backlog = 300_000;
const mebibyte = 1024 * 1024;
/** resident memory of a sidecar, whatever waits: Node itself takes about 120 MiB of it */
const boundBytes = 400 * mebibyte;

/** between two looks at it: a peak of half a second is none */
const sampleMs = 500;

const lab = useBus(twoSites);
const link = { customer: 'acme', a: 'tokyo', b: 'frankfurt' };

/** Looks at the resident memory of both sidecars, as their metrics tell it, until stopped. */
function watchMemory(): { stop(): Promise<Record<string, number>> } {
  const most: Record<string, number> = { tokyo: 0, frankfurt: 0 };
  let isStopped = false;
  const loop = (async () => {
    while (!isStopped) {
      for (const site of Object.keys(most)) {
        const bytes = await metricOf(lab(), site, 'process_resident_memory_bytes').catch(() => 0);
        most[site] = Math.max(most[site] ?? 0, bytes);
      }
      await delay(sampleMs);
    }
  })();
  return {
    stop: async () => {
      isStopped = true;
      await loop;
      return most;
    },
  };
}

/** One acknowledgement in a thousand is waited for: nats-server refuses what it cannot store fast enough. */
async function publishAll(): Promise<void> {
  const nc = await lab().connect('acme/exchange');
  const js = jetstream(nc);
  const payload = Buffer.alloc(200, 'x');
  for (let n = 0; n < backlog; n++) {
    if (n % 1_000 === 999) await js.publish(`trade.${n % 100}`, payload, { timeout: 30_000 });
    else nc.publish(`trade.${n % 100}`, payload);
  }
  await nc.close();
}

async function messagesIn(site: string, stream: string, filter: string): Promise<number> {
  const sidecar = await sidecarConnection(lab(), site, 'acme');
  const { state } = await (await jetstreamManager(sidecar)).streams.info(stream, { subjects_filter: filter });
  await sidecar.close();
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

test('a backlog of 300,000 messages takes a sidecar no memory in proportion', { timeout: 400_000 }, async () => {
  const memory = watchMemory();
  await labCut(lab().dir, link);
  await publishAll();
  expect(await messagesIn('tokyo', 'trade', 'trade.>')).toBe(backlog);
  await labRestore(lab().dir, link);
  const all = async (): Promise<boolean> => (await messagesIn('frankfurt', 'trade@risk', 'trade.>')) >= backlog;
  await until('all of it is at frankfurt', all, 300_000);
  const most = await memory.stop();
  const text = Object.entries(most).map(([site, bytes]) => `${site} ${Math.round(bytes / mebibyte)} MiB`);
  process.stderr.write(`backlog of ${backlog}: ${text.join(', ')} at most\n`);
  expect(await messagesIn('frankfurt', 'trade@risk', 'trade.>')).toBe(backlog);
  expect(Math.max(...Object.values(most))).toBeLessThan(boundBytes);
});
