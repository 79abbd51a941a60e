/**
 * Enrolment tokens: 32 random bytes of which only the hash is stored, for one site (or one terminal of it), used once,
 * for 15 minutes of the database's clock.
 */
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { BusError } from '../errors.ts';
import type { Registry } from './connection.ts';

export const tokenLifeMs = 15 * 60 * 1000;

export interface EnrolmentToken {
  id: string;
  siteId: string;
  customerId: string | null;
}

/** Stores a new token; `secret` is told once and kept nowhere. */
export async function createToken(
  trx: Registry,
  target: { siteId: string; customerId: string | null },
  lifeMs = tokenLifeMs,
): Promise<{ id: string; secret: string }> {
  const secret = randomBytes(32).toString('base64url');
  const { id } = await trx
    .insertInto('enrolment_tokens')
    .values({
      hash: hashOf(secret),
      site_id: target.siteId,
      customer_id: target.customerId,
      expires_at: sql<Date>`clock_timestamp() + ${lifeMs} * interval '1 millisecond'`,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id, secret };
}

/** Uses a token up. E_TOKEN_UNKNOWN, E_TOKEN_USED, E_TOKEN_EXPIRED; of two at once one wins. */
export async function takeToken(trx: Registry, secret: string): Promise<EnrolmentToken> {
  const row = await trx
    .selectFrom('enrolment_tokens')
    .select(['id', 'site_id', 'customer_id', 'used_at', sql<boolean>`expires_at <= clock_timestamp()`.as('is_expired')])
    .where('hash', '=', hashOf(secret))
    .forUpdate()
    .executeTakeFirst();
  if (!row) throw new BusError('E_TOKEN_UNKNOWN', 'token: unknown to this control plane, or its site was removed');
  const details = { tokenId: row.id };
  if (row.used_at)
    throw new BusError('E_TOKEN_USED', `token ${row.id}: used at ${row.used_at.toISOString()} already`, { details });
  if (row.is_expired) throw new BusError('E_TOKEN_EXPIRED', `token ${row.id}: its 15 minutes are over`, { details });
  await trx
    .updateTable('enrolment_tokens')
    .set({ used_at: sql<Date>`clock_timestamp()` })
    .where('id', '=', row.id)
    .execute();
  return { id: row.id, siteId: row.site_id, customerId: row.customer_id };
}

/** True while an unused, unexpired token with this id exists: what its temporary NATS credential is good for. */
export async function deleteOldTokens(db: Registry): Promise<void> {
  await db
    .deleteFrom('enrolment_tokens')
    .where('expires_at', '<', sql<Date>`clock_timestamp() - interval '30 days'`)
    .execute();
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update('mbus enrolment token\0').update(secret).digest();
}
