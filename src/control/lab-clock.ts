/**
 * The key service's clock in a lab: the database's, and as far ahead as a file says. With it a test holds an envelope for
 * days in seconds. Only a control plane that listens on loopback takes such a file, so no real bus can be told a time.
 */
import { type OperationNode, sql } from 'kysely';
import { systemClock } from '../clock.ts';
import { BusError } from '../errors.ts';
import { type DatabaseNow, databaseNow } from '../registry/index.ts';
import { readFileIfThere } from '../trust/index.ts';

const pollMs = 100;

export class LabClock {
  #aheadMs = 0;

  /** to read and write rows with: evaluated with each statement */
  readonly now: DatabaseNow = {
    expressionType: undefined,
    toOperationNode: (): OperationNode =>
      this.#aheadMs === 0
        ? databaseNow.toOperationNode()
        : sql<Date>`(clock_timestamp() + ${this.#aheadMs}::double precision * interval '1 millisecond')`.toOperationNode(),
  };

  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** Follows the file until the signal aborts. */
  async follow(file: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const ahead = Number((await readFileIfThere(file))?.toString('utf8') ?? 0);
      if (Number.isFinite(ahead) && ahead >= 0) this.#aheadMs = ahead;
      await systemClock.sleep(pollMs, signal).catch(() => undefined);
    }
  }
}

/** E_USAGE unless the control plane can be reached from this machine only. */
export function requireLab(listeners: readonly string[]): void {
  if (listeners.every((address) => /^(127\.0\.0\.1|\[::1\]|localhost):\d+$/.test(address))) return;
  throw new BusError('E_USAGE', 'a clock of its own is for labs: this control plane listens beyond loopback');
}
