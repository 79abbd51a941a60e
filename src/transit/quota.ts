/**
 * How much of the transit cache each flow may take. The limit moves with what is free (dynamic thresholds, as switches
 * share their buffers): a flow may hold as much as is still free, so one that is stuck ends at half, two at a third each,
 * and there is always room for another flow. Small envelopes are charged for the memory their entry takes.
 */
const leastCharge = 8 * 1024;

export class Quota {
  readonly maxBytes: number;
  readonly #byFlow = new Map<string, number>();
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** 0 to 1 */
  get fill(): number {
    return this.#usedBytes / this.maxBytes;
  }

  /** Takes room for an envelope; false when the flow or the whole has none. */
  take(flow: string, bytes: number): boolean {
    const charge = Math.max(bytes, leastCharge);
    const ofFlow = (this.#byFlow.get(flow) ?? 0) + charge;
    if (ofFlow > this.maxBytes - this.#usedBytes) return false;
    this.#add(flow, charge);
    return true;
  }

  /** Counts what is there already, as after a restart. */
  force(flow: string, bytes: number): void {
    this.#add(flow, Math.max(bytes, leastCharge));
  }

  give(flow: string, bytes: number): void {
    this.#add(flow, -Math.max(bytes, leastCharge));
  }

  /** Flows with what they hold, those that hold most first. */
  largest(): [flow: string, bytes: number][] {
    return [...this.#byFlow].sort(([, a], [, b]) => b - a);
  }

  #add(flow: string, charge: number): void {
    const ofFlow = (this.#byFlow.get(flow) ?? 0) + charge;
    if (ofFlow > 0) this.#byFlow.set(flow, ofFlow);
    else this.#byFlow.delete(flow);
    this.#usedBytes += charge;
  }
}
