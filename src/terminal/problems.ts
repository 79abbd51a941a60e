/** What could not be brought in line at a terminal, each until an attempt succeeds; logged once per text. */
import { errorText, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface Problem {
  code: string;
  text: string;
}

export class Problems {
  readonly #customerName: string;
  readonly #log: Logger;
  readonly #open = new Map<string, Problem>();

  constructor(customerName: string, log: Logger) {
    this.#customerName = customerName;
    this.#log = log;
  }

  get open(): Problem[] {
    return [...this.#open.values()];
  }

  /** Never throws: a failure is the problem of `what` alone. */
  async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#open.delete(what);
    } catch (error) {
      const code = isBusError(error) ? error.code : 'E_INTERNAL';
      const text = `${this.#customerName}: ${what}: ${errorText(error)}`;
      if (this.#open.get(what)?.text !== text) this.#log.warn({ event: 'terminal.problem', code, err: error }, text);
      this.#open.set(what, { code, text });
    }
  }
}
