/**
 * How far behind each group was at each site over the last hour, in this process's memory: one sample every few seconds.
 * All series share their times; a group that has not been seen for the whole hour is forgotten.
 */
import type { GroupRow } from './view.ts';

/** by site, one value per time: messages that wait there for the group; null where it was not known */
export interface LagSeries {
  /** ms since 1970 */
  times: number[];
  sites: Record<string, (number | null)[]>;
}

export const sampleEveryMs = 5_000;
const mostSamples = 720;
/** groups times sites: a bound for memory, 5.8 KB each */
const mostSeries = 4_000;

export class LagHistory {
  readonly #times: number[] = [];
  /** by group, then by site */
  readonly #groups = new Map<string, Map<string, (number | null)[]>>();
  #series = 0;

  add(atMs: number, rows: readonly GroupRow[]): void {
    const before = this.#times.push(atMs) - 1;
    for (const row of rows) this.#seriesOf(row, before)?.push(row.outgoing + row.pending + row.unacked);
    for (const series of this.#all()) if (series.length <= before) series.push(null);
    if (this.#times.length > mostSamples) this.#dropOldest();
  }

  of(group: string): LagSeries {
    const sites = this.#groups.get(group) ?? new Map<string, (number | null)[]>();
    return { times: [...this.#times], sites: Object.fromEntries(sites) };
  }

  /** Undefined for one more than there is room for. */
  #seriesOf({ name, site }: GroupRow, before: number): (number | null)[] | undefined {
    const sites = this.#groups.get(name) ?? new Map<string, (number | null)[]>();
    const known = sites.get(site);
    if (known !== undefined) return known;
    if (this.#series >= mostSeries) return undefined;
    const series = Array.from({ length: before }, () => null);
    this.#series += 1;
    this.#groups.set(name, sites.set(site, series));
    return series;
  }

  *#all(): Generator<(number | null)[]> {
    for (const sites of this.#groups.values()) yield* sites.values();
  }

  #dropOldest(): void {
    this.#times.shift();
    for (const [group, sites] of this.#groups) {
      for (const [site, series] of sites) {
        series.shift();
        if (series.every((value) => value === null) && sites.delete(site)) this.#series -= 1;
      }
      if (sites.size === 0) this.#groups.delete(group);
    }
  }
}
