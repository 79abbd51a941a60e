/**
 * A site's work with the control plane, one piece after the other. Whether the control plane answers is told once per
 * change: a site that is alone goes on with what it has.
 */
import { BusError, errorText, isBusError } from './errors.ts';
import type { Logger } from './log.ts';
import { inTurns } from './turns.ts';

export class ControlSteps {
  readonly #signal: AbortSignal;
  readonly #log: Logger;
  readonly #inTurn = inTurns();
  readonly #queued = new Set<string>();
  readonly #delayed = new Set<string>();
  readonly #failures = new Map<string, { code: string; text: string }>();
  #isAway = false;

  constructor(signal: AbortSignal, log: Logger) {
    this.#signal = signal;
    this.#log = log;
  }

  /** As the last step found it. */
  get isControlAway(): boolean {
    return this.#isAway;
  }

  /** What the last try of a step ran into; a control plane that is away is not among them. */
  get problems(): { code: string; text: string }[] {
    return [...this.#failures.values()];
  }

  /** Queues the work, once per name until it begins; a failure is logged, and the next look tries again. */
  enqueue(name: string, work: () => Promise<void>): void {
    if (this.#queued.has(name) || this.#signal.aborted) return;
    this.#queued.add(name);
    void this.#inTurn(async () => {
      this.#queued.delete(name);
      if (this.#signal.aborted) return;
      try {
        await work();
        this.#failures.delete(name);
        this.#seen(true, '');
      } catch (error) {
        const isHere = !isBusError(error, 'E_CONTROL_AWAY');
        if (isHere) this.#keep(name, error);
        else this.#failures.delete(name);
        this.#seen(isHere, errorText(error));
      }
    });
  }

  /** A part of a step that needs no control plane: what it runs into is a problem until it works, and stops nothing else. */
  async attempt(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#failures.delete(name);
    } catch (error) {
      this.#keep(name, error);
      this.#log.warn({ event: 'sidecar.part-failed', part: name, err: error }, 'a part of the last step did not work');
    }
  }

  /** The same after `delayMs`; what comes meanwhile under the name comes along, so a link that flaps makes few reports. */
  enqueueIn(delayMs: number, name: string, work: () => Promise<void>): void {
    if (this.#delayed.has(name)) return;
    this.#delayed.add(name);
    setTimeout(() => {
      this.#delayed.delete(name);
      this.enqueue(name, work);
    }, delayMs).unref();
  }

  /** Resolves when all that is queued has ended. */
  idle(): Promise<void> {
    return this.#inTurn(async () => undefined);
  }

  #keep(name: string, error: unknown): void {
    const code = error instanceof BusError ? error.code : 'E_INTERNAL';
    this.#failures.set(name, { code, text: errorText(error) });
  }

  #seen(isHere: boolean, text: string): void {
    if (isHere && text !== '')
      this.#log.warn({ event: 'sidecar.sync-failed', reason: text }, 'the last step did not work');
    if (isHere === !this.#isAway) return;
    this.#isAway = !isHere;
    if (isHere) this.#log.info({ event: 'control.back' }, 'the control plane answers');
    else
      this.#log.warn(
        { event: 'control.away', reason: text },
        'the control plane does not answer: the site goes on alone',
      );
  }
}
