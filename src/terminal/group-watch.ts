/**
 * What a group's durable here tells from one report to the next: whether anybody consumes, and for how long nothing that
 * was delivered has been acknowledged. One per terminal, fed with the consumer's state each time the site reports.
 */
import type { ConsumerInfo } from '@nats-io/jetstream';
import { LoadMeter, type SampledField, sampleOf } from '../groups/index.ts';

export interface GroupSigns {
  /** live consumers; null until it was watched for a while without a sign of one */
  consumers: number | null;
  /** null when nothing delivered is unacknowledged */
  notAckedMs: number | null;
}

interface Watched {
  meter: LoadMeter;
  /** changes with every acknowledgement */
  acked: string;
  /** nothing was acknowledged since, while something was owed */
  owedSinceMs: number;
}

/** a consumer may be between two pulls, or about to connect */
const quietMs = 5_000;

export class GroupWatch {
  readonly #groups = new Map<string, Watched>();

  /** Forgets groups that are not among these. */
  keep(groupIds: ReadonlySet<string>): void {
    for (const groupId of this.#groups.keys()) if (!groupIds.has(groupId)) this.#groups.delete(groupId);
  }

  take(groupId: string, info: Pick<ConsumerInfo, SampledField>, nowMs: number): GroupSigns {
    const acked = `${info.ack_floor.consumer_seq} ${info.ack_floor.stream_seq} ${info.ack_floor.last_active ?? ''}`;
    const watched = this.#groups.get(groupId) ?? { meter: new LoadMeter(nowMs), acked, owedSinceMs: nowMs };
    this.#groups.set(groupId, watched);
    if (watched.acked !== acked || info.num_ack_pending === 0) watched.owedSinceMs = nowMs;
    watched.acked = acked;
    watched.meter.take(sampleOf(info), nowMs);
    const { consumers } = watched.meter;
    return {
      consumers: consumers === 0 && watched.meter.idleMs(nowMs) < quietMs ? null : consumers,
      notAckedMs: info.num_ack_pending === 0 ? null : nowMs - watched.owedSinceMs,
    };
  }
}
