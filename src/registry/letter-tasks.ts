/** What operators ask of sites about dead letters: told to the site while it is young, answered once. */
import { sql } from 'kysely';
import type { LetterAnswer, LetterTask } from '../api/letters.ts';
import { versionChannel } from './buses.ts';
import type { Registry } from './connection.ts';

type Task = Omit<LetterTask, 'taskId' | 'terminalId' | 'groupId'>;

const askedForSeconds = 60;
const keptForSeconds = 3600;

/** One task per terminal; sites hear of it at once. */
export async function insertLetterTasks(
  trx: Registry,
  { terminalIds, groupId, task }: { terminalIds: readonly string[]; groupId: string; task: Task },
): Promise<string[]> {
  await trx.deleteFrom('letter_tasks').where(ageSeconds, '>', keptForSeconds).execute();
  const text = JSON.stringify(task);
  const rows = await trx
    .insertInto('letter_tasks')
    .values(terminalIds.map((terminal_id) => ({ terminal_id, group_id: groupId, task: text })))
    .returning('id')
    .execute();
  await sql`select pg_notify(${versionChannel}, version::text) from buses`.execute(trx);
  return rows.map(({ id }) => id);
}

/** What a site is to do now. */
export async function listLetterTasks(db: Registry, siteId: string): Promise<LetterTask[]> {
  const rows = await db
    .selectFrom('letter_tasks')
    .innerJoin('terminals', 'terminals.id', 'letter_tasks.terminal_id')
    .select(['letter_tasks.id', 'terminal_id', 'group_id', 'task'])
    .where('terminals.site_id', '=', siteId)
    .where('answer', 'is', null)
    .where(ageSeconds, '<', askedForSeconds)
    .execute();
  return rows.map(({ id, terminal_id, group_id, task }) => ({
    ...(task as Task),
    taskId: id,
    terminalId: terminal_id,
    groupId: group_id,
  }));
}

/** Keeps the site's first answer; false when it is not asked. */
export async function answerLetterTask(
  db: Registry,
  siteId: string,
  { taskId, answer }: { taskId: string; answer: LetterAnswer },
): Promise<boolean> {
  const terminals = db.selectFrom('terminals').select('id').where('site_id', '=', siteId);
  const { numUpdatedRows } = await db
    .updateTable('letter_tasks')
    .set({ answer: JSON.stringify(answer) })
    .where('id', '=', taskId)
    .where('terminal_id', 'in', terminals)
    .where('answer', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function readLetterAnswers(
  db: Registry,
  taskIds: readonly string[],
): Promise<{ site: string; answer: unknown }[]> {
  if (taskIds.length === 0) return [];
  return db
    .selectFrom('letter_tasks')
    .innerJoin('terminals', 'terminals.id', 'letter_tasks.terminal_id')
    .innerJoin('sites', 'sites.id', 'terminals.site_id')
    .select(['sites.name as site', 'answer'])
    .where('letter_tasks.id', 'in', [...taskIds])
    .orderBy('sites.name')
    .execute();
}

const ageSeconds = sql<number>`extract(epoch from clock_timestamp() - letter_tasks.created_at)::float8`;
