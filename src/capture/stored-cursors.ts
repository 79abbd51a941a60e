/**
 * Cursors as the server keeps them: durables of a capture stream, with the duties and how far they may have sent in the
 * durable's metadata, next to the position itself.
 */
import { randomBytes } from 'node:crypto';
import { AckPolicy, type ConsumerInfo, type JetStreamManager } from '@nats-io/jetstream';
import { apiCode, natsCall, orNull } from '../nats/index.ts';
import { listConsumers, startAt } from './capture-stream.ts';
import type { Duty } from './duty.ts';

export interface StoredCursor {
  durable: string;
  duties: Duty[];
  /** an earlier life of the sidecar may have sent up to here */
  sentUpTo: number;
}

const cursorPrefix = 'mb-out-';
const hourNs = 3_600 * 1e9;
/** more than the window a cursor uses, so that the server never holds back */
const maxAckPending = 100_000;
const meta = { duties: 'mb_duties', sent: 'mb_sent' } as const;

export async function listCursors(jsm: JetStreamManager, stream: string): Promise<StoredCursor[]> {
  const cursors: StoredCursor[] = [];
  for (const info of await listConsumers(jsm, stream)) {
    if (!info.name.startsWith(cursorPrefix)) continue;
    cursors.push({ durable: info.name, ...decodeMetadata(info) });
  }
  return cursors;
}

/** Creates a cursor at `from`, or at the stream's end when it is null; resolves with the sequence it begins behind, too. */
export async function createCursor(
  jsm: JetStreamManager,
  stream: string,
  { duties, sentUpTo }: Omit<StoredCursor, 'durable'>,
  from: number | null,
): Promise<StoredCursor & { floor: number }> {
  const durable = `${cursorPrefix}${randomBytes(6).toString('hex')}`;
  const info = await natsCall(`create cursor on ${stream}`, () =>
    jsm.consumers.add(stream, {
      durable_name: durable,
      ack_policy: AckPolicy.All,
      // the cursor reads again by itself, the server must not
      ack_wait: 24 * hourNs,
      max_ack_pending: maxAckPending,
      metadata: encodeMetadata({ duties, sentUpTo }),
      ...startAt(from),
    }),
  );
  return { durable, duties, sentUpTo, floor: info.ack_floor.stream_seq };
}

/** Replaces what is kept beside a cursor's position; stored when this resolves. */
export async function saveCursor(jsm: JetStreamManager, stream: string, cursor: StoredCursor): Promise<void> {
  const metadata = encodeMetadata(cursor);
  await natsCall(`update cursor on ${stream}`, () => jsm.consumers.update(stream, cursor.durable, { metadata }));
}

/** Gives up a cursor's interest; only after everything it held is receipted or held by another. */
export async function deleteCursor(jsm: JetStreamManager, stream: string, durable: string): Promise<void> {
  await orNull(
    natsCall(`delete cursor on ${stream}`, () => jsm.consumers.delete(stream, durable)),
    apiCode.consumerNotFound,
  );
}

/** A crash inside a split or a merge leaves one group open-ended in two cursors: the smaller one keeps it. */
export async function settleDoubles(
  jsm: JetStreamManager,
  stream: string,
  stored: readonly StoredCursor[],
): Promise<StoredCursor[]> {
  const seen = new Set<string>();
  const kept: StoredCursor[] = [];
  const smallestFirst = stored.toSorted(
    (a, b) => a.duties.length - b.duties.length || (a.durable < b.durable ? -1 : 1),
  );
  for (const cursor of smallestFirst) {
    const duties = cursor.duties.filter((duty) => {
      const key = `${duty.groupId} ${duty.until ?? 'open'}`;
      return !seen.has(key) && seen.add(key);
    });
    if (duties.length === 0) {
      await deleteCursor(jsm, stream, cursor.durable);
      continue;
    }
    if (duties.length < cursor.duties.length) await saveCursor(jsm, stream, { ...cursor, duties });
    kept.push({ ...cursor, duties });
  }
  return kept;
}

function encodeMetadata({ duties, sentUpTo }: Omit<StoredCursor, 'durable'>): Record<string, string> {
  const rows = duties.map((duty) => [duty.groupId, duty.terminalId, duty.from, duty.until, duty.since]);
  return { [meta.duties]: JSON.stringify(rows), [meta.sent]: String(sentUpTo) };
}

function decodeMetadata({ config }: ConsumerInfo): Omit<StoredCursor, 'durable'> {
  const rows = JSON.parse(config.metadata?.[meta.duties] ?? '[]') as [string, string, number, number | null, number?][];
  const duties = rows.map(([groupId, terminalId, from, until, since = 0]) => ({
    groupId,
    terminalId,
    from,
    until,
    since,
  }));
  return { duties, sentUpTo: Number(config.metadata?.[meta.sent] ?? 0) };
}
