/** Which way envelopes come, read from the destination's metrics, and how long a change of way takes. */
import { setTimeout as delay } from 'node:timers/promises';
import { metricOf } from './bus.ts';
import type { TestLab } from './lab.ts';

const name = 'mbus_path_envelopes_total';

/** Runs a fault and resolves with the milliseconds until envelopes come over `path` (sites joined by `>`). */
export async function timeUntilPath(
  lab: TestLab,
  path: string,
  fault: () => Promise<unknown>,
  withinMs = 20_000,
): Promise<number> {
  const site = path.split('>').at(-1) ?? '';
  const label = `path="${path}"`;
  const before = await metricOf(lab, site, name, label);
  await fault();
  const startMs = performance.now();
  while ((await metricOf(lab, site, name, label)) <= before) {
    if (performance.now() - startMs > withinMs)
      throw new Error(`nothing came over ${path}: ${await pathsAt(lab, site)}`);
    await delay(10);
  }
  return performance.now() - startMs;
}

/** Resolves once envelopes come over this way and, for a while, over no other. */
export async function settledOn(lab: TestLab, path: string, withinMs = 30_000): Promise<void> {
  const site = path.split('>').at(-1) ?? '';
  const count = async (): Promise<[number, number]> => {
    const on = await metricOf(lab, site, name, `path="${path}"`);
    return [on, (await metricOf(lab, site, name)) - on];
  };
  const startMs = performance.now();
  for (let [on, other] = await count(); ; ) {
    await delay(300);
    const [nextOn, nextOther] = await count();
    if (nextOn > on && nextOther === other) return;
    [on, other] = [nextOn, nextOther];
    if (performance.now() - startMs > withinMs) throw new Error(`not only over ${path}: ${await pathsAt(lab, site)}`);
  }
}

async function pathsAt(lab: TestLab, site: string): Promise<string> {
  const page = await (await fetch(lab.info.sites[site]?.metrics ?? '')).text();
  return page
    .split('\n')
    .filter((line) => line.startsWith(name))
    .join('; ');
}
