/** Topics whose messages keep the order of their origin, at the price of waiting for what is late. */
import { type Kysely, sql } from 'kysely';

const statements = ['alter table topics add column ordered boolean not null default false'];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
