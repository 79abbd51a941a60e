/** Dead letters: what operators ask, and what sites answer. Retrying and purging leave a row in the audit log. */
import { letterAnswerSchema } from '../api/letters.ts';
import { BusError } from '../errors.ts';
import {
  answerLetterTask,
  appendAudit,
  insertLetterTasks,
  listNames,
  type Registry,
  readLetterAnswers,
} from '../registry/index.ts';
import { actorOf } from './authorize.ts';
import type { Handler } from './context.ts';
import { siteCaller } from './site-handlers.ts';

export const startLetters: Handler<'letters.start'> = async ({ db }, { request, caller }) => {
  const { customer, topic, group, site, ...task } = request;
  return db.transaction().execute(async (trx) => {
    const groupId = await groupOf(trx, customer, topic, group);
    const terminalIds = await terminalsOf(trx, customer, site);
    if (task.action !== 'list') {
      const noun = `${customer}/${topic}@${group}`;
      const details = { site: site ?? 'all', sequences: task.seqs ?? 'all' };
      await appendAudit(trx, { actor: actorOf(caller), action: `dlq.${task.action}`, noun, details });
    }
    return { taskIds: await insertLetterTasks(trx, { terminalIds, groupId, task }) };
  });
};

export const getLetters: Handler<'letters.get'> = async ({ db }, { request }) => ({
  sites: (await readLetterAnswers(db, request.taskIds)).map(({ site, answer }) => ({
    site,
    answer: letterAnswerSchema.nullable().parse(answer),
  })),
  names: await listNames(db),
});

export const answerLetters: Handler<'letters.answer'> = async ({ db }, { request, caller }) => ({
  isAsked: await answerLetterTask(db, siteCaller(caller).id, request),
});

async function groupOf(trx: Registry, customer: string, topic: string, group: string): Promise<string> {
  const row = await trx
    .selectFrom('groups')
    .innerJoin('topics', 'topics.id', 'groups.topic_id')
    .innerJoin('customers', 'customers.id', 'groups.customer_id')
    .select('groups.id')
    .where('customers.name', '=', customer)
    .where('topics.name', '=', topic)
    .where('groups.name', '=', group)
    .executeTakeFirst();
  if (row) return row.id;
  throw new BusError('E_UNKNOWN_NOUN', `there is no group ${customer}/${topic}@${group}`);
}

async function terminalsOf(trx: Registry, customer: string, site: string | null): Promise<string[]> {
  const rows = await trx
    .selectFrom('terminals')
    .innerJoin('customers', 'customers.id', 'terminals.customer_id')
    .innerJoin('sites', 'sites.id', 'terminals.site_id')
    .select(['terminals.id', 'sites.name as site'])
    .where('customers.name', '=', customer)
    .execute();
  const found = rows.filter((row) => site === null || row.site === site).map(({ id }) => id);
  if (found.length > 0) return found;
  throw new BusError('E_UNKNOWN_NOUN', `customer ${customer} has no terminal at ${site ?? 'any site'}`);
}
