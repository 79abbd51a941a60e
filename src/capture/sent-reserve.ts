/**
 * How far a cursor may have sent, stored ahead of the sending: when sidecar and nats-server are killed together, the next
 * life takes it that everything up to here is under way to its old terminal.
 */
import { inTurns } from '../turns.ts';

/** one write per so many sequences */
const reserveAhead = 5_000;

export class SentReserve {
  readonly #save: (upTo: number) => Promise<void>;
  #upTo: number;
  readonly #inTurn = inTurns();

  constructor(upTo: number, save: (upTo: number) => Promise<void>) {
    this.#upTo = upTo;
    this.#save = save;
  }

  get upTo(): number {
    return this.#upTo;
  }

  /** Resolves once stored state allows for sending up to `last`. */
  async cover(last: number): Promise<void> {
    if (last <= this.#upTo) return;
    await this.#inTurn(async () => {
      if (last <= this.#upTo) return;
      const upTo = last + reserveAhead;
      await this.#save(upTo);
      this.#upTo = upTo;
    });
  }
}
