/**
 * How busy a group is at this terminal: live consumers and what waits for them, from samples of its durable about once a
 * second. Pure; the sampler is in group-keeper.ts.
 *
 * A consumer is alive while a pull of its waits, or while it takes or acknowledges messages: a saturated one has no pull
 * waiting, an idle one takes nothing. One quiet sample proves nothing (between two fetches there is no pull), so a count
 * falls only after `quietMs` without a sign of life, and rises at once.
 */
import type { ConsumerInfo } from '@nats-io/jetstream';

export type SampledField = 'num_waiting' | 'num_pending' | 'num_ack_pending' | 'delivered' | 'ack_floor';

/** What a sample of a durable says. */
export interface ConsumerSample {
  /** pulls that wait */
  waitingPulls: number;
  /** messages not yet delivered */
  pending: number;
  /** delivered and not acknowledged */
  unacked: number;
  /** number of the last delivery */
  delivered: number;
  /** number of the last delivery up to which everything is acknowledged */
  acked: number;
}

const quietMs = 2_000;

export class LoadMeter {
  #consumers = 0;
  #lastSignMs: number;
  #last: ConsumerSample | undefined;

  /** @param nowMs a group counts as served until it was watched for a while: a restart is no loss of consumers */
  constructor(nowMs: number) {
    this.#lastSignMs = nowMs;
  }

  /** 0 once there was no sign of life for a while. */
  get consumers(): number {
    return this.#consumers;
  }

  /** Messages that wait, those delivered and not acknowledged included. */
  get backlog(): number {
    return (this.#last?.pending ?? 0) + (this.#last?.unacked ?? 0);
  }

  get waiting(): number {
    return this.#last?.pending ?? 0;
  }

  /** Milliseconds since the last sign of a live consumer. */
  idleMs(nowMs: number): number {
    return nowMs - this.#lastSignMs;
  }

  take(sample: ConsumerSample, nowMs: number): void {
    const last = this.#last;
    const isBusy =
      last !== undefined &&
      (sample.delivered > last.delivered || sample.acked > last.acked || sample.unacked < last.unacked);
    this.#last = sample;
    if (sample.waitingPulls > 0 || isBusy) {
      this.#lastSignMs = nowMs;
      const isQuieter = sample.waitingPulls < this.#consumers && isBusy;
      this.#consumers = isQuieter ? this.#consumers : Math.max(1, sample.waitingPulls);
    } else if (this.idleMs(nowMs) >= quietMs) this.#consumers = 0;
  }
}

/** What a durable's state says of its consumers. */
export function sampleOf(info: Pick<ConsumerInfo, SampledField>): ConsumerSample {
  return {
    waitingPulls: info.num_waiting,
    pending: info.num_pending,
    unacked: info.num_ack_pending,
    delivered: info.delivered.consumer_seq,
    acked: info.ack_floor.consumer_seq,
  };
}
