/** Bytes a second over each end of a link, from the totals in one report and the one before. */
import type { Status } from '../status/index.ts';

export interface Rate {
  sent: number;
  received: number;
}

/** by endKey */
export type Rates = ReadonlyMap<string, Rate>;

interface Totals {
  sent: number;
  received: number;
  /** when it was reported, ms since 1970 */
  atMs: number;
}

/** reports that are closer together tell a rate of noise, ms */
const leastMs = 900;

export function endKey(site: string, linkId: string): string {
  return `${site} ${linkId}`;
}

export class Traffic {
  #totals = new Map<string, Totals>();
  #rates = new Map<string, Rate>();

  /** Takes the newest reports; returns the rates as now known. */
  take({ sites }: Status, nowMs: number): Rates {
    const totals = new Map<string, Totals>();
    const rates = new Map<string, Rate>();
    for (const { name, report, reportAgeMs } of sites) {
      for (const { linkId, sentBytes, receivedBytes } of report?.links ?? []) {
        if (sentBytes === null || receivedBytes === null) continue;
        const key = endKey(name, linkId);
        const now = { sent: sentBytes, received: receivedBytes, atMs: nowMs - (reportAgeMs ?? 0) };
        const { kept, rate } = step(this.#totals.get(key), now, this.#rates.get(key));
        totals.set(key, kept);
        if (rate !== undefined) rates.set(key, rate);
      }
    }
    this.#totals = totals;
    this.#rates = rates;
    return rates;
  }
}

/** Totals that shrink are those of a session that began anew. */
function step(before: Totals | undefined, now: Totals, known: Rate | undefined): { kept: Totals; rate?: Rate } {
  if (before === undefined || now.sent < before.sent || now.received < before.received) return { kept: now };
  const tookMs = now.atMs - before.atMs;
  if (tookMs < leastMs) return { kept: before, ...(known && { rate: known }) };
  const perSecond = (bytes: number): number => Math.round((bytes * 1_000) / tookMs);
  return {
    kept: now,
    rate: { sent: perSecond(now.sent - before.sent), received: perSecond(now.received - before.received) },
  };
}
