/**
 * What a batch left that was cut short: nats-server stores its messages one after the other and its marker last, and a write
 * that fails, or a kill, in between may leave the messages before it. They bear their flow in the name of their batch.
 */
import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Flow } from '../envelope/index.ts';
import { directGet, type StoredMessage } from '../nats/index.ts';

const page = { batch: 500, max_bytes: 4 * 1024 * 1024 };
const idPattern = /^([\w-]{22})[\w-]{12}$/;

/** A message that came from another terminal. */
export interface BatchTrace extends Pick<Flow, 'originId' | 'incarnation'> {
  /** at its origin */
  originSeq: number;
  /** in the stream that was searched */
  seq: number;
}

/** A name for a batch of the flow, 34 characters: nats-server takes up to 64 (ADR-50). */
export function batchName({ incarnation }: Flow): string {
  return Buffer.from(incarnation, 'hex').toString('base64url') + randomBytes(9).toString('base64url');
}

/** What batches stored behind `after`, up to `last`; by sequence in the stream. E_NATS */
export async function tracesBehind(
  nc: NatsConnection,
  stream: string,
  { after, last }: { after: number; last: number },
): Promise<BatchTrace[]> {
  const found: BatchTrace[] = [];
  for (let seq = after + 1; seq <= last; ) {
    const messages = await directGet(nc, stream, { seq, ...page });
    found.push(...messages.flatMap((message) => traceOf(message) ?? []));
    seq = (messages.at(-1)?.seq ?? last) + 1;
  }
  return found.filter((trace) => trace.seq <= last);
}

/** What an application publishes here comes through a source, with whatever headers it likes. */
function traceOf(message: StoredMessage): BatchTrace | null {
  const flowPart = idPattern.exec(message.header('Nats-Batch-Id') ?? '')?.[1];
  const [originId, originSeq] = message.header('Mb-Origin')?.split(' ') ?? [];
  if (flowPart === undefined || originId === undefined || message.header('Nats-Stream-Source') !== undefined)
    return null;
  const incarnation = Buffer.from(flowPart, 'base64url').toString('hex');
  return { originId, incarnation, originSeq: Number(originSeq), seq: message.seq };
}
