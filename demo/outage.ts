/**
 * The cut in the middle: both customers' virginia links are cut, proven to carry nothing, and restored.
 * Bytes are counted by the proxies in between, not by either end.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type LinkRef, labCut, labLinks, labRestore } from '../src/lab/index.ts';
import { customers, links } from './scenario.ts';

/** what was in the proxies' sockets when the cut came may still be counted within this time */
const settleMs = 200;

export interface OutageResult {
  /** bytes that passed while the links were cut: must be 0 */
  leakedBytes: number;
  lastedMs: number;
}

/** Cuts, runs `meanwhile` for at least `minMs`, restores. */
export async function cutVirginia(dir: string, minMs: number, meanwhile: () => Promise<void>): Promise<OutageResult> {
  const [, [a, b]] = links;
  const refs = customers.map((customer): LinkRef => ({ customer, a, b }));
  const startedMs = performance.now();
  const cut = await Promise.all(refs.map((ref) => labCut(dir, ref)));
  const names = new Set(cut.map(({ link }) => link));
  try {
    await delay(settleMs);
    const before = await bytesOf(dir, names);
    await Promise.all([meanwhile(), delay(minMs)]);
    return { leakedBytes: (await bytesOf(dir, names)) - before, lastedMs: performance.now() - startedMs };
  } finally {
    await Promise.all(refs.map((ref) => labRestore(dir, ref)));
  }
}

async function bytesOf(dir: string, names: ReadonlySet<string>): Promise<number> {
  const wanted = (await labLinks(dir)).filter(({ link }) => names.has(link));
  return wanted.reduce((sum, { bytes }) => sum + bytes.up + bytes.down, 0);
}
