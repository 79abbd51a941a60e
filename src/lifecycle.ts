/**
 * Start and stop of a daemon. Parts start sinks before sources and push a release each; stop runs the releases last
 * in, first out, so intake stops before what it feeds. Stop is idempotent and bounded by a deadline.
 */
import type { Logger } from './log.ts';

type Release = () => Promise<void> | void;

export class Lifecycle {
  readonly #releases: { name: string; release: Release }[] = [];
  readonly #abort = new AbortController();
  readonly #log: Logger;
  #stopping: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Aborted as soon as stop begins: hand it to every wait. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Registers what undoes the step just done. */
  push(name: string, release: Release): void {
    this.#releases.push({ name, release });
  }

  /** Runs every release once, newest first; resolves when all are done or after `deadlineMs`. */
  stop(deadlineMs = 10_000): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs);
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<void> {
    this.#abort.abort(new Error('stopping'));
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#log.warn({ event: 'lifecycle.deadline', left: this.#releases.map((r) => r.name) }, 'stop took too long');
        resolve();
      }, deadlineMs);
    });
    await Promise.race([this.#releaseAll(), deadline]);
    clearTimeout(timer);
  }

  async #releaseAll(): Promise<void> {
    for (let step = this.#releases.pop(); step; step = this.#releases.pop()) {
      try {
        await step.release();
      } catch (error) {
        this.#log.warn(
          { event: 'lifecycle.release-failed', step: step.name, err: error },
          'a part did not stop cleanly',
        );
      }
    }
  }
}

/** First signal drains, the second exits at once (128 + signal number). Returns when stop is done. */
export async function runUntilSignal(lifecycle: Lifecycle, stopDeadlineMs = 10_000): Promise<void> {
  await new Promise<void>((resolve) => {
    let count = 0;
    const onSignal = (_: NodeJS.Signals, number: number): void => {
      count += 1;
      if (count > 1) process.exit(128 + number);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
  await lifecycle.stop(stopDeadlineMs);
}
