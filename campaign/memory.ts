/** Resident memory of every sidecar over time, from /proc, through restarts. */
import { readFile } from 'node:fs/promises';
import { pidsOf } from '../src/lab/index.ts';

export interface MemorySample {
  /** since the start of the load, seconds */
  atS: number;
  mebibytes: number;
}

export type MemorySeries = Record<string, MemorySample[]>;

const everyMs = 2_000;

export class MemoryWatch {
  readonly series: MemorySeries = {};
  readonly #lab: string;
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(lab: string, sites: readonly string[]) {
    this.#lab = lab;
    for (const site of sites) this.series[site] = [];
    this.#timer = setInterval(() => void this.#sample(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    const atS = Math.round((performance.now() - this.#startMs) / 1000);
    for (const [site, samples] of Object.entries(this.series)) {
      const [pid] = await pidsOf(this.#lab, site, 'sidecar').catch(() => []);
      const status = pid === undefined ? '' : await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const kibibytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
      if (kibibytes > 0) samples.push({ atS, mebibytes: Math.round(kibibytes / 1024) });
    }
  }
}
