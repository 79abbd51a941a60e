/**
 * Heals a nats-server whose disk was full. Such a server switches JetStream off, or a stream after a write that failed, and
 * does not come back by itself: publishers and consumers get no answer, and what was acknowledged stays on disk. Once there
 * is room again it is restarted. Not JetStream alone, by reloads: see the site's restart.
 *
 *   well ──health says no, for a look or two──▶ full ──room again──▶ restart ──▶ well
 */
import { statfs } from 'node:fs/promises';
import { errorText } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface DiskWatchOptions {
  /** host:port of nats-server's monitoring */
  monitor: string;
  storeDir: string;
  /** resolves when it runs again */
  restart: () => Promise<void>;
  log: Logger;
}

const lookMs = 2_000;
const answerMs = 2_000;
/** looks in a row that find it ill: one that starts is ill for a moment */
const strikes = 2;
const leastRoomBytes = 4 * 1024 * 1024;
const leastRoomShare = 0.02;
/** what /healthz says of JetStream that a full disk has switched off */
const isSwitchedOff = /write error|JetStream is not (?:enabled|available)|JetStream not enabled|no space left/i;

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #strikes = 0;
  #problem = '';
  #failures = 0;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** What is wrong, in plain words; empty when nothing is. */
  get problem(): string {
    return this.#problem;
  }

  /** How often it was found unable to store. */
  get failures(): number {
    return this.#failures;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#heal(await this.#illness());
    } catch (error) {
      this.#options.log.warn({ event: 'disk.not-healed', err: error }, errorText(error));
    } finally {
      this.#isLooking = false;
    }
  }

  async #heal(illness: string): Promise<void> {
    const { log, restart } = this.#options;
    this.#strikes = illness === '' ? 0 : this.#strikes + 1;
    if (this.#strikes < strikes) {
      if (illness === '') this.#problem = '';
      return;
    }
    if (this.#problem === '') {
      this.#failures += 1;
      log.error({ event: 'disk.full', reason: illness }, 'nats-server stores nothing any more');
    }
    this.#problem = `nats-server stores nothing: ${illness}`;
    if (!(await this.#hasRoom())) return;
    log.info({ event: 'disk.room' }, 'there is room on the disk: nats-server is restarted');
    await restart();
    this.#strikes = 0;
  }

  /** Empty while nats-server is well, or does not answer at all. */
  async #illness(): Promise<string> {
    try {
      const signal = AbortSignal.timeout(answerMs);
      const response = await fetch(`http://${this.#options.monitor}/healthz`, { signal });
      const { error = '' } = (await response.json()) as { error?: string };
      return response.status !== 200 && isSwitchedOff.test(error) ? error.slice(0, 300) : '';
    } catch {
      return '';
    }
  }

  async #hasRoom(): Promise<boolean> {
    const { bavail, bsize, blocks } = await statfs(this.#options.storeDir);
    return bavail * bsize >= Math.max(leastRoomBytes, blocks * bsize * leastRoomShare);
  }
}
