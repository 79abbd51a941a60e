/**
 * What the hellos of one link tell: round trip, jitter, how many of the last 32 stayed unanswered, and whether that is far
 * from what is normal there. Over TCP an unanswered hello is a late one: it waited behind something lost or long.
 */

const window = 32;
const maxUnanswered = 64;
const patienceFloorMs = 1_000;
const patiencePerRtt = 4;
/** the best round trip seen grows by this per hello, so that a new normal is learned in minutes */
const forgetting = 1.0005;

export class LinkHealth {
  readonly #sentAt = new Map<string, number>();
  #outcomes: boolean[] = [];
  #rttMs: number | null = null;
  #jitterMs = 0;
  #normalMs = Number.POSITIVE_INFINITY;
  #isDegraded = false;

  /** smoothed, null until measured */
  get rttMs(): number | null {
    return this.#rttMs;
  }

  /** mean difference between one round trip and the next (RFC 3550, 6.4.1) */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** unanswered of the last 32, 0 to 1 */
  get lossRatio(): number {
    return this.#outcomes.filter((isAnswered) => !isAnswered).length / window;
  }

  /** Loss or round trip far above normal; it ends well below where it begins. */
  get isDegraded(): boolean {
    return this.#isDegraded;
  }

  sent(token: string, nowMs: number): void {
    if (this.#sentAt.size >= maxUnanswered) this.#sentAt.clear();
    this.#sentAt.set(token, nowMs);
  }

  /** False for an answer nobody waits for any more. */
  answered(token: string, nowMs: number): boolean {
    const sentAt = this.#sentAt.get(token);
    if (sentAt === undefined) return false;
    this.#sentAt.delete(token);
    this.#note(true);
    this.#measure(nowMs - sentAt);
    this.#judge();
    return true;
  }

  /** Gives up hellos that are overdue. */
  beat(nowMs: number): void {
    const patienceMs = Math.max(patienceFloorMs, patiencePerRtt * (this.#rttMs ?? 0));
    for (const [token, sentAt] of this.#sentAt) {
      if (nowMs - sentAt <= patienceMs) continue;
      this.#sentAt.delete(token);
      this.#note(false);
    }
    this.#judge();
  }

  /** Forgets what was unanswered; the round trip stays what it was. */
  reset(): void {
    this.#sentAt.clear();
    this.#outcomes = [];
    this.#isDegraded = false;
  }

  #note(isAnswered: boolean): void {
    this.#outcomes.push(isAnswered);
    if (this.#outcomes.length > window) this.#outcomes.shift();
  }

  #measure(sampleMs: number): void {
    const before = this.#rttMs;
    this.#rttMs = before === null ? sampleMs : before * 0.875 + sampleMs * 0.125;
    if (before !== null) this.#jitterMs += (Math.abs(sampleMs - before) - this.#jitterMs) / 16;
    this.#normalMs = Math.min(this.#normalMs * forgetting, sampleMs);
  }

  #judge(): void {
    const [loss, rttMs] = [this.lossRatio, this.#rttMs ?? 0];
    if (loss >= 4 / window || rttMs > 3 * this.#normalMs + 200) this.#isDegraded = true;
    else if (loss <= 1 / window && rttMs < 2 * this.#normalMs + 100) this.#isDegraded = false;
  }
}
