/**
 * Passes of the console: a login code (100 bits, 5 minutes, used once) becomes a session (256 bits, 12 hours). Only their
 * hashes are stored, and they stand in the database, so a code works at every replica and a session outlives a restart.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { sql } from 'kysely';
import { BusError } from '../errors.ts';
import type { Registry } from './connection.ts';

export const consoleCodeLifeMs = 5 * 60 * 1000;
const sessionLifeMs = 12 * 60 * 60 * 1000;
/** no letters that are taken for digits */
const alphabet = '23456789ABCDEFGHJKMNPQRSTVWXYZ';
const codeGroups = 5;
const groupLength = 4;

type Kind = 'code' | 'session';

/** `ABCD-EFGH-…`, told once and kept nowhere. */
export async function createConsoleCode(trx: Registry, actor: string): Promise<string> {
  const letters = Array.from({ length: codeGroups * groupLength }, () => alphabet[randomInt(alphabet.length)]).join('');
  await put(trx, 'code', letters, actor, consoleCodeLifeMs);
  return letters.match(new RegExp(`.{${groupLength}}`, 'g'))?.join('-') ?? letters;
}

/** Uses the code up; of two at once one wins. E_CONSOLE_LOGIN when it is wrong, used or expired: which, it does not say. */
export async function startConsoleSession(trx: Registry, code: string): Promise<{ actor: string; cookie: string }> {
  const letters = code.toUpperCase().replace(/[^0-9A-Z]/g, '');
  const row = await trx
    .deleteFrom('console_passes')
    .where('hash', '=', hashOf('code', letters))
    .where('kind', '=', 'code')
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .returning('actor')
    .executeTakeFirst();
  if (!row) throw new BusError('E_CONSOLE_LOGIN', 'the login code is wrong, used or expired');
  await trx.deleteFrom('console_passes').where('expires_at', '<=', sql<Date>`clock_timestamp()`).execute();
  const cookie = randomBytes(32).toString('base64url');
  await put(trx, 'session', cookie, row.actor, sessionLifeMs);
  return { actor: row.actor, cookie };
}

/** Who the session was made for. */
export async function findConsoleSession(db: Registry, cookie: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('console_passes')
    .select('actor')
    .where('hash', '=', hashOf('session', cookie))
    .where('kind', '=', 'session')
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirst();
  return row?.actor;
}

/** Returns who it was of. */
export async function endConsoleSession(trx: Registry, cookie: string): Promise<string | undefined> {
  const row = await trx
    .deleteFrom('console_passes')
    .where('hash', '=', hashOf('session', cookie))
    .returning('actor')
    .executeTakeFirst();
  return row?.actor;
}

/** Every session and every code that is not used yet; how many sessions. */
export async function endConsoleSessions(trx: Registry): Promise<number> {
  const rows = await trx.deleteFrom('console_passes').returning('kind').execute();
  return rows.filter(({ kind }) => kind === 'session').length;
}

async function put(trx: Registry, kind: Kind, secret: string, actor: string, lifeMs: number): Promise<void> {
  const expires_at = sql<Date>`clock_timestamp() + ${lifeMs} * interval '1 millisecond'`;
  await trx
    .insertInto('console_passes')
    .values({ hash: hashOf(kind, secret), kind, actor, expires_at })
    .execute();
}

function hashOf(kind: Kind, secret: string): Buffer {
  return createHash('sha256').update(`mbus console ${kind}\0`).update(secret).digest();
}
