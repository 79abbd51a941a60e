/** How many envelopes came too late to be opened and lie sealed in mb-quarantine. */
import type { JetStreamManager } from '@nats-io/jetstream';
import { countQuarantined } from '../delivery/index.ts';
import type { Logger } from '../log.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export class Quarantine {
  readonly #metrics: TerminalMetrics;
  readonly #log: Logger;
  #envelopes = 0;

  constructor(metrics: TerminalMetrics, log: Logger) {
    this.#metrics = metrics;
    this.#log = log;
  }

  /** E_NATS */
  async count(jsm: JetStreamManager): Promise<void> {
    this.#envelopes = await countQuarantined(jsm);
  }

  note(topic: string, reason: string): void {
    this.#metrics.envelopesQuarantined.inc({ topic });
    this.#envelopes += 1;
    this.#log.warn(
      { event: 'arrival.quarantined', topic, reason },
      'an envelope may not be opened any more: see mb-quarantine',
    );
  }

  texts(customerName: string): string[] {
    if (this.#envelopes === 0) return [];
    return [
      `${customerName}: ${this.#envelopes} envelopes came too late to be opened: they lie sealed in mb-quarantine`,
    ];
  }
}
