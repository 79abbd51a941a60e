/** Traces: a question about one message, told to the sites of its customer while it is young, and their answers. */
import { sql } from 'kysely';
import { z } from 'zod';
import { type TraceHop, type TraceQuestion, traceHopSchema } from '../api/methods.ts';
import { versionChannel } from './buses.ts';
import type { Registry } from './connection.ts';

const askedForSeconds = 60;
const keptForSeconds = 3600;
const hopsSchema = z.array(traceHopSchema);

/** Sites hear of it at once. */
export async function insertTrace(
  trx: Registry,
  trace: { customerId: string; topicId: string; originId: string; sequence: number },
): Promise<string> {
  const { customerId, topicId, originId, sequence } = trace;
  await trx.deleteFrom('traces').where(ageSeconds, '>', keptForSeconds).execute();
  const { id } = await trx
    .insertInto('traces')
    .values({ customer_id: customerId, topic_id: topicId, origin_id: originId, sequence })
    .returning('id')
    .executeTakeFirstOrThrow();
  await sql`select pg_notify(${versionChannel}, version::text) from buses`.execute(trx);
  return id;
}

/** What is asked of a site now. */
export async function listTraces(db: Registry, siteId: string): Promise<TraceQuestion[]> {
  const rows = await db
    .selectFrom('traces')
    .innerJoin('terminals', 'terminals.customer_id', 'traces.customer_id')
    .select(['traces.id', 'traces.topic_id', 'traces.origin_id', 'traces.sequence', 'terminals.id as terminal_id'])
    .where('terminals.site_id', '=', siteId)
    .where(ageSeconds, '<', askedForSeconds)
    .execute();
  return rows.map((row) => ({
    traceId: row.id,
    terminalId: row.terminal_id,
    topicId: row.topic_id,
    originId: row.origin_id,
    sequence: row.sequence,
  }));
}

/** Keeps what a terminal of the site says; false when it is not asked, or not the site's. */
export async function putTraceHops(
  db: Registry,
  siteId: string,
  answer: { traceId: string; terminalId: string; hops: TraceHop[] },
): Promise<boolean> {
  const asked = await listTraces(db, siteId);
  const { traceId, terminalId } = answer;
  if (!asked.some((each) => each.traceId === traceId && each.terminalId === terminalId)) return false;
  const hops = JSON.stringify(answer.hops);
  await db
    .insertInto('trace_hops')
    .values({ trace_id: traceId, terminal_id: terminalId, hops })
    .onConflict((conflict) => conflict.columns(['trace_id', 'terminal_id']).doUpdateSet({ hops }))
    .execute();
  return true;
}

/** All answers, as far as they have come. */
export async function readTrace(db: Registry, traceId: string): Promise<{ site: string; hops: TraceHop[] }[]> {
  const rows = await db
    .selectFrom('trace_hops')
    .innerJoin('terminals', 'terminals.id', 'trace_hops.terminal_id')
    .innerJoin('sites', 'sites.id', 'terminals.site_id')
    .select(['sites.name as site', 'trace_hops.hops'])
    .where('trace_id', '=', traceId)
    .orderBy('sites.name')
    .execute();
  return rows.map(({ site, hops }) => ({ site, hops: hopsSchema.parse(hops) }));
}

const ageSeconds = sql<number>`extract(epoch from clock_timestamp() - traces.created_at)::float8`;
