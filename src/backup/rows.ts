/**
 * The registry's rows as lines of JSON and back. Every column as PostgreSQL itself writes and reads it, so nothing is lost
 * in between. Tables stand in the order in which they can be filled; a test compares the list with the database.
 */
import { sql } from 'kysely';
import { z } from 'zod';
import { BusError } from '../errors.ts';
import type { Registry } from '../registry/index.ts';

/** each after those it refers to */
export const savedTables = [
  ...['buses', 'control_secrets', 'sites', 'customers', 'terminals', 'links', 'link_credentials', 'topics', 'groups'],
  ...['group_terminals', 'apps', 'app_publish', 'app_consume', 'app_dead_letters', 'enrolment_tokens', 'revoked_users'],
  ...['topic_keys', 'tickets', 'ticket_passwords', 'compromised_terminals', 'request_nonces', 'audit', 'audit_heads'],
] as const;

/** what living replicas and sites write anew within seconds */
export const passingTables = [
  ...['replicas', 'site_reports', 'traces', 'trace_hops', 'letter_tasks'],
  // who was logged in logs in again
  'console_passes',
] as const;

const lineSchema = z.union([
  z.strictObject({
    bus: z.strictObject({ id: z.uuid(), version: z.number(), masterKeyId: z.string().nullable() }),
    migration: z.string(),
  }),
  z.strictObject({ table: z.enum(savedTables), rows: z.array(z.record(z.string(), z.unknown())) }),
  z.strictObject({ end: z.record(z.string(), z.number().int()) }),
]);

export type Line = z.output<typeof lineSchema>;
export type SavedTable = (typeof savedTables)[number];

const rowsPerLine = 500;

/** The lines of a backup, as `trx` sees the database. */
export async function* readRows(trx: Registry): AsyncGenerator<string> {
  const bus = await trx.selectFrom('buses').select(['id', 'version', 'master_key_id']).executeTakeFirst();
  if (!bus) throw new BusError('E_DATABASE_SCHEMA', 'the database holds no bus: start the control plane once');
  const facts = { id: bus.id, version: bus.version, masterKeyId: bus.master_key_id };
  yield lineOf({ bus: facts, migration: await newestMigration(trx) });
  const counts: Record<string, number> = {};
  for (const table of savedTables) {
    counts[table] = 0;
    for await (const rows of batches(trx, table)) {
      counts[table] += rows.length;
      // as PostgreSQL wrote them: parsing here could only lose digits
      yield `{"table":"${table}","rows":[${rows.join(',')}]}\n`;
    }
  }
  yield lineOf({ end: counts });
}

async function* batches(trx: Registry, table: SavedTable): AsyncGenerator<string[]> {
  await sql`declare backup_rows no scroll cursor for select row_to_json(t)::text as row from ${sql.table(table)} t`.execute(
    trx,
  );
  for (;;) {
    const { rows } = await sql<{ row: string }>`fetch ${sql.lit(rowsPerLine)} from backup_rows`.execute(trx);
    if (rows.length === 0) break;
    yield rows.map(({ row }) => row);
  }
  await sql`close backup_rows`.execute(trx);
}

export function parseLine(text: string): Line {
  try {
    return lineSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new BusError('E_BACKUP_BAD', 'the backup holds something that this version does not know', { cause });
  }
}

/** @param text the line as it stands in the backup */
export async function writeRows(trx: Registry, table: SavedTable, text: string): Promise<void> {
  const target = sql.table(table);
  const rows = sql`json_populate_recordset(null::${target}, ${text}::json -> 'rows')`;
  await sql`insert into ${target} select * from ${rows}`.execute(trx);
}

export async function newestMigration(db: Registry): Promise<string> {
  const { rows } = await sql<{ name: string }>`select max(name) as name from kysely_migration`.execute(db);
  return rows[0]?.name ?? '';
}

function lineOf(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}
