/**
 * Brings the rows of one table in line with what is declared: what is not declared goes, what is new comes, what differs
 * changes. A row keeps its id as long as its name stays declared.
 */

/** what is to go once everything else is in place, run last in, first out: a row that moves keeps its id that way */
export type Removals = (() => Promise<void>)[];

/** ids by the spec's key, for the tables that refer to this one */
export type SyncResult = Map<string, string>;

type Value = string | number | boolean | null;

export interface SyncOptions<Row extends { id: string }, Spec, Values extends Record<string, Value>> {
  removals: Removals;
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  specs: readonly Spec[];
  specKey: (spec: Spec) => string;
  values: (spec: Spec) => Values;
  remove: (ids: string[]) => Promise<void>;
  insert: (values: Values) => Promise<string>;
  update: (id: string, values: Values) => Promise<void>;
}

export async function syncRows<Row extends { id: string }, Spec, Values extends Record<string, Value>>(
  options: SyncOptions<Row, Spec, Values>,
): Promise<SyncResult> {
  const present = new Map(options.rows.map((row) => [options.rowKey(row), row]));
  const declared = new Set(options.specs.map(options.specKey));
  const gone = options.rows.filter((row) => !declared.has(options.rowKey(row))).map((row) => row.id);
  if (gone.length > 0) options.removals.push(() => options.remove(gone));
  const ids: SyncResult = new Map();
  for (const spec of options.specs) {
    const key = options.specKey(spec);
    const values = options.values(spec);
    const row = present.get(key);
    if (row && !isSame(row, values)) await options.update(row.id, values);
    ids.set(key, row ? row.id : await options.insert(values));
  }
  return ids;
}

function isSame(row: object, values: Record<string, Value>): boolean {
  const stored = new Map<string, unknown>(Object.entries(row));
  return Object.entries(values).every(([column, value]) => stored.get(column) === value);
}
