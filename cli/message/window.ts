/** A bounded number of things under way at once. The first failure is kept; what was under way still ends. */
import { BusError, errorText, isBusError } from '../../src/errors.ts';

export class Window {
  readonly #size: number;
  #underWay = 0;
  #wake: (() => void) | undefined;
  #failure: BusError | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /** What the first failed work died of, with its place. */
  get failure(): BusError | undefined {
    return this.#failure;
  }

  /** Starts `work`, and returns once there is room for the next. */
  async run(place: string, work: () => Promise<void>): Promise<void> {
    this.#underWay += 1;
    work()
      .catch((error: unknown) => {
        const code = isBusError(error) ? error.code : 'E_NOT_STORED';
        this.#failure ??= new BusError(code, `${place}: ${errorText(error)}`, { cause: error });
      })
      .finally(() => {
        this.#underWay -= 1;
        this.#wake?.();
      });
    await this.#until(() => this.#underWay < this.#size);
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#until(() => this.#underWay === 0);
  }

  async #until(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
