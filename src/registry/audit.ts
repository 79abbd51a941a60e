/**
 * The audit log: append only, each row bound to the one before by a hash, so that a changed or missing row is found.
 * Rows are written under an advisory lock that is held until the transaction ends: ids have no gaps, and the order of
 * ids is the order of commits.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Registry } from './connection.ts';

export interface AuditEntry {
  /** who: `admin:<id>`, `site:<name>`, `control`, `unknown` */
  actor: string;
  /** what, `<noun>.<verb>` or the API method */
  action: string;
  /** to which noun, path of names */
  noun: string;
  /** facts without secrets */
  details?: Record<string, unknown>;
}

export interface AuditRow {
  id: number;
  at: string;
  actor: string;
  action: string;
  noun: string;
  details: unknown;
}

export type AuditVerdict = { ok: true; rows: number } | { ok: false; firstBadId: number; reason: string };

/** any constant: the lock's name in this database */
const auditLock = 0x6d627573;
const genesis = Buffer.alloc(32);

/** Call it inside the transaction whose change it records. */
export async function appendAudit(trx: Registry, entry: AuditEntry): Promise<void> {
  if (!trx.isTransaction) return trx.transaction().execute((inner) => appendAudit(inner, entry));
  await sql`select pg_advisory_xact_lock(${auditLock})`.execute(trx);
  const last = await trx.selectFrom('audit').select(['id', 'hash']).orderBy('id', 'desc').limit(1).executeTakeFirst();
  const { rows } = await sql<{ now: Date }>`select date_trunc('milliseconds', clock_timestamp()) as now`.execute(trx);
  const row = {
    id: (last?.id ?? 0) + 1,
    at: rows[0]?.now ?? new Date(0),
    actor: entry.actor.slice(0, 200),
    action: entry.action.slice(0, 200),
    noun: entry.noun.slice(0, 400),
    details: JSON.stringify(entry.details ?? {}),
  };
  const prevHash = last?.hash ?? genesis;
  const hash = chainHash(prevHash, row);
  await trx
    .insertInto('audit')
    .values({ ...row, prev_hash: prevHash, hash })
    .execute();
}

/** Newest first. */
export async function listAudit(
  db: Registry,
  options: { limit: number; before?: number | undefined },
): Promise<AuditRow[]> {
  let query = db.selectFrom('audit').select(['id', 'at', 'actor', 'action', 'noun', 'details']);
  if (options.before !== undefined) query = query.where('id', '<', options.before);
  const rows = await query.orderBy('id', 'desc').limit(options.limit).execute();
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

/** Walks the whole chain; names the first row that was changed, or after which rows are missing. */
export async function verifyAudit(db: Registry): Promise<AuditVerdict> {
  let previous: { id: number; hash: Buffer } = { id: 0, hash: genesis };
  for (;;) {
    const rows = await db
      .selectFrom('audit')
      .select(['id', 'at', 'actor', 'action', 'noun', sql<string>`details::text`.as('details'), 'prev_hash', 'hash'])
      .where('id', '>', previous.id)
      .orderBy('id')
      .limit(1000)
      .execute();
    for (const row of rows) {
      const isNext = row.id === previous.id + 1 && row.prev_hash.equals(previous.hash);
      if (!isNext) return broken(previous.id + 1, 'it is gone, or was put in the place of another');
      if (!chainHash(previous.hash, row).equals(row.hash)) return broken(row.id, 'it was changed');
      previous = { id: row.id, hash: row.hash };
    }
    if (rows.length === 0) return { ok: true, rows: previous.id };
  }
}

function broken(firstBadId: number, reason: string): AuditVerdict {
  return { ok: false, firstBadId, reason };
}

interface ChainedRow {
  id: number;
  at: Date;
  actor: string;
  action: string;
  noun: string;
  details: string;
}

function chainHash(previous: Uint8Array, row: ChainedRow): Buffer {
  const text = JSON.stringify([row.id, row.at.toISOString(), row.actor, row.action, row.noun, row.details]);
  return createHash('sha256').update(previous).update(text).digest();
}
