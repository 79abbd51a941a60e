/**
 * How far the audit table had come, as each replica saw and signed it. The chain of hashes finds what was changed or removed
 * in between; a head finds what was removed at the end, or a chain that was computed anew.
 */
import type { Registry } from './connection.ts';

export interface AuditHead {
  id: number;
  /** 32 bytes: the hash of that row, zeros where there is none yet */
  hash: Buffer;
  /** 64 bytes: Ed25519 of the control plane over id and hash */
  signature: Buffer;
}

/** The last row's id and hash. */
export async function readAuditHead(db: Registry): Promise<Pick<AuditHead, 'id' | 'hash'>> {
  const row = await db.selectFrom('audit').select(['id', 'hash']).orderBy('id', 'desc').limit(1).executeTakeFirst();
  return row ?? { id: 0, hash: Buffer.alloc(32) };
}

export async function listAuditHeads(db: Registry): Promise<AuditHead[]> {
  return db.selectFrom('audit_heads').select(['id', 'hash', 'signature']).execute();
}

/** One per replica; never goes back. */
export async function putAuditHead(db: Registry, replicaId: string, head: AuditHead): Promise<void> {
  const { id, hash, signature } = head;
  await db
    .insertInto('audit_heads')
    .values({ replica_id: replicaId, id, hash, signature })
    .onConflict((conflict) =>
      conflict.column('replica_id').doUpdateSet({ id, hash, signature }).where('audit_heads.id', '<', id),
    )
    .execute();
}

/** The hash of a row, null when it is gone. */
export async function auditHashAt(db: Registry, id: number): Promise<Buffer | null> {
  if (id === 0) return Buffer.alloc(32);
  const row = await db.selectFrom('audit').select('hash').where('id', '=', id).executeTakeFirst();
  return row?.hash ?? null;
}
