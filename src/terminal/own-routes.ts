/** The routing of one terminal, with its records signed by the terminal's key and flooded over its own links. */
import type { SnapshotCustomer } from '../api/snapshot.ts';
import type { Clock } from '../clock.ts';
import type { SignFn } from '../envelope/index.ts';
import { Routes, type SequenceStore } from '../routing/index.ts';
import type { LinkSession } from '../transit/index.ts';
import type { Formats } from './formats.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface OwnRoutesOptions {
  keys: { sign: SignFn };
  /** numbers of routing records, which outlive the process */
  sequence: SequenceStore;
  metrics: TerminalMetrics;
  clock: Clock;
}

export function createRoutes(
  customer: SnapshotCustomer,
  sessions: ReadonlyMap<string, Pick<LinkSession, 'flood'>>,
  formats: Formats,
  { keys, sequence, metrics, clock }: OwnRoutesOptions,
): Routes {
  const labels = { customer: customer.name };
  return new Routes(customer, {
    clock,
    sign: keys.sign,
    format: () => formats.agreed,
    send: (linkId, record) => {
      sessions.get(linkId)?.flood(record);
      metrics.routingSent.inc(labels);
      metrics.routingSentBytes.inc(labels, record.length);
    },
    sequence,
    onTaken: (result) => {
      metrics.routingRecords.inc({ ...labels, outcome: result.outcome });
      if (result.outcome === 'refused') metrics.routingRefused.inc({ ...labels, reason: result.reason });
    },
  });
}
