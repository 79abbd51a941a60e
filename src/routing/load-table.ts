/**
 * Who consumes where: what the load records of the terminals say, with the time since when a terminal says that a group
 * has no consumers there. And this terminal's own rows, told at once when consumers come or go, a drain begins or ends, or
 * what waits has doubled; else at most every `quietMs`.
 */
import type { LoadEntry } from './records.ts';

export interface KnownLoad {
  consumers: number;
  waiting: number;
  isDraining: boolean;
  /** since it was heard */
  ageMs: number;
}

interface Row extends LoadEntry {
  heardMs: number;
  idleSinceMs: number | null;
}

const quietMs = 5_000;

export class LoadTable {
  readonly #rows = new Map<string, Map<string, Row>>();
  #told: readonly LoadEntry[] = [];
  #toldMs = Number.NEGATIVE_INFINITY;

  /** A terminal's newest record: groups it does not name are not served there. */
  set(terminalId: string, load: readonly LoadEntry[], nowMs: number): void {
    const known = this.#rows.get(terminalId);
    const rows = load.map((entry): [string, Row] => {
      const idleSinceMs = entry.consumers > 0 ? null : (known?.get(entry.groupId)?.idleSinceMs ?? nowMs);
      return [entry.groupId, { ...entry, heardMs: nowMs, idleSinceMs }];
    });
    this.#rows.set(terminalId, new Map(rows));
  }

  /** Drops terminals for which there is no record any more. */
  keepOnly(isKnown: (terminalId: string) => boolean): void {
    for (const terminalId of this.#rows.keys()) if (!isKnown(terminalId)) this.#rows.delete(terminalId);
  }

  get(groupId: string, terminalId: string, nowMs: number): KnownLoad | null {
    const row = this.#rows.get(terminalId)?.get(groupId);
    if (row === undefined) return null;
    const { consumers, waiting, isDraining, heardMs } = row;
    return { consumers, waiting, isDraining, ageMs: nowMs - heardMs };
  }

  /** How long the terminal has said that the group has no consumers there; null when it has, or nothing is known. */
  idleForMs(groupId: string, terminalId: string, nowMs: number): number | null {
    const since = this.#rows.get(terminalId)?.get(groupId)?.idleSinceMs ?? null;
    return since === null ? null : nowMs - since;
  }

  /** Whether this terminal's rows are worth telling now; if so they count as told. */
  isWorthTelling(rows: readonly LoadEntry[], nowMs: number): boolean {
    const isUrgent = rows.length !== this.#told.length || rows.some((row) => this.#isUrgent(row));
    const isDue = nowMs - this.#toldMs >= quietMs && rows.some((row) => !isSame(row, this.#toldOf(row)));
    if (!isUrgent && !isDue) return false;
    this.#told = rows.map((row) => ({ ...row }));
    this.#toldMs = nowMs;
    return true;
  }

  #isUrgent(row: LoadEntry): boolean {
    const told = this.#toldOf(row);
    if (told === undefined || told.isDraining !== row.isDraining) return true;
    return told.consumers > 0 !== row.consumers > 0 || row.waiting > 2 * told.waiting + 1_000;
  }

  #toldOf({ groupId }: LoadEntry): LoadEntry | undefined {
    return this.#told.find((each) => each.groupId === groupId);
  }
}

function isSame(a: LoadEntry, b: LoadEntry | undefined): boolean {
  return a.consumers === b?.consumers && a.waiting === b.waiting && a.isDraining === b.isDraining;
}
