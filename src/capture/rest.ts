/**
 * How long a cursor rests before it reads again: longer after each failure in a row, and five seconds where reading again
 * at once would end the same way.
 */
import { backoffMs } from '../backoff.ts';
import { isBusError } from '../errors.ts';

const parkedMs = 5_000;

export class Rest {
  readonly #onOver: () => void;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  /** `isNews` for the first failure in a row, and for each that is not of passing nature. */
  begin(error: unknown): { waitMs: number; isNews: boolean } {
    this.#failures += 1;
    const isParked = isBusError(error) && error.disposition === 'park';
    const waitMs = isParked ? parkedMs : backoffMs(this.#failures, 50, 2_000);
    this.end();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#onOver();
    }, waitMs);
    return { waitMs, isNews: isParked || this.#failures === 1 };
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Something arrived: the next failure is the first again. */
  succeeded(): void {
    this.#failures = 0;
  }
}
