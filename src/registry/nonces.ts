/**
 * Requests that were served, so that a repeated one is not served twice by any replica. Rows are kept longer than a
 * request's time may differ from the control plane's clock (src/api/frame.ts); what is older is refused as stale.
 */
import { sql } from 'kysely';
import type { Registry } from './connection.ts';

export type NonceState = { isNew: true } | { isNew: false; answer: unknown };

/** Claims the nonce inside the transaction of the request. Waits for another transaction that claims the same one. */
export async function claimNonce(
  trx: Registry,
  request: { nonce: string; caller: string; method: string },
): Promise<NonceState> {
  const inserted = await trx
    .insertInto('request_nonces')
    .values({ ...request, answer: null })
    .onConflict((conflict) => conflict.doNothing())
    .returning('nonce')
    .executeTakeFirst();
  if (inserted) return { isNew: true };
  const row = await trx
    .selectFrom('request_nonces')
    .select('answer')
    .where('nonce', '=', request.nonce)
    .executeTakeFirst();
  return { isNew: false, answer: row?.answer ?? undefined };
}

/** Keeps the answer for a caller that asks again because it never got it. No secret may be in it. */
export async function keepAnswer(trx: Registry, nonce: string, answer: unknown): Promise<void> {
  await trx
    .updateTable('request_nonces')
    .set({ answer: JSON.stringify(answer) })
    .where('nonce', '=', nonce)
    .execute();
}

export async function deleteOldNonces(db: Registry): Promise<void> {
  await db.deleteFrom('request_nonces').where('at', '<', sql<Date>`clock_timestamp() - interval '1 hour'`).execute();
}
