/** Control users of sites that are gone or joined with other keys; the database itself writes the rows. */
import { sql } from 'kysely';
import type { Registry } from './connection.ts';

/** U… to the second (since 1970) up to which its tokens count for nothing, in order of the key. */
export async function listRevokedUsers(db: Registry): Promise<Record<string, number>> {
  const second = sql<number>`ceil(extract(epoch from revoked_at))::float8`;
  const rows = await db
    .selectFrom('revoked_users')
    .select(['control_user', second.as('second')])
    .orderBy('control_user')
    .execute();
  return Object.fromEntries(rows.map((row) => [row.control_user, row.second]));
}
