/** The way the last envelopes took, per destination: what `mbus trace` reads, and a label for a metric of few values. */
import type { Flow } from '../envelope/index.ts';

export interface PathRow {
  flow: Flow;
  first: number;
  last: number;
  /** terminal this copy is for */
  destinationId: string;
  /** terminal ids, origin first, this terminal last */
  path: string[];
  /** wall time, milliseconds since 1970 */
  atMs: number;
  /** stored here for others, or delivered here */
  kind: 'transit' | 'delivered';
}

const perDestination = 64;
const maxPaths = 64;

export class PathLog {
  readonly #rows = new Map<string, PathRow[]>();
  readonly #labels = new Set<string>();

  add(row: PathRow): void {
    const key = `${row.flow.originId} ${row.destinationId}`;
    const rows = this.#rows.get(key) ?? [];
    rows.push(row);
    if (rows.length > perDestination) rows.shift();
    this.#rows.set(key, rows);
  }

  /** Envelopes that held a sequence of a flow, newest last. */
  find(flow: Flow, seq: number): PathRow[] {
    return this.rows().filter((row) => isSame(row.flow, flow) && row.first <= seq && seq <= row.last);
  }

  rows(): PathRow[] {
    return [...this.#rows.values()].flat();
  }

  /** Site names joined by `>`; `other` once there were too many for a metric's label. */
  label(names: readonly string[]): string {
    const label = names.join('>');
    if (!this.#labels.has(label) && this.#labels.size >= maxPaths) return 'other';
    this.#labels.add(label);
    return label;
  }
}

function isSame(a: Flow, b: Flow): boolean {
  return a.originId === b.originId && a.topicId === b.topicId && a.incarnation === b.incarnation;
}
