/**
 * What a link costs: the operator's cost plus a part that follows what its session measures. Pure. docs/routing.md shows
 * the formula with examples.
 *
 *   extra = 2 · rtt / (rtt + 100 ms)  +  2 · loss / (loss + 10 %)  +  backlog / (backlog + 1 s)          (less than 5)
 *
 * Each term saturates, so no measurement outweighs operator costs that differ by more, and none can run away.
 */
import type { LinkFacts } from './routes.ts';

/** The most a measurement adds to a link, thousandths; what a terminal announces counts no more than this. */
export const maxExtraMilli = 5_000;

/** Thousandths of cost that the measurements add. */
export function extraMilli({ rttMs, lossRatio, backlogMs }: Omit<LinkFacts, 'state'>): number {
  const part = (value: number, half: number, most: number): number => (most * value) / (value + half);
  return Math.round(1_000 * (part(rttMs ?? 0, 100, 2) + part(lossRatio, 0.1, 2) + part(backlogMs, 1_000, 1)));
}

/** Thousandths of the whole cost, from what both ends announce. */
export function linkMilli(operatorCost: number, ...extras: readonly number[]): number {
  return Math.round(operatorCost * 1_000) + Math.min(maxExtraMilli, Math.max(0, ...extras));
}

/** Hysteresis: a change of the whole cost is told from 25 % and 0.2 on, of the round trip from a doubling and 50 ms on. */
export function isWorthTelling(
  operatorCost: number,
  told: { extraMilli: number; rttMs: number },
  now: { extraMilli: number; rttMs: number },
): boolean {
  const toldMilli = linkMilli(operatorCost, told.extraMilli);
  const changeMilli = Math.abs(linkMilli(operatorCost, now.extraMilli) - toldMilli);
  if (changeMilli >= 200 && changeMilli >= toldMilli / 4) return true;
  const [low, high] = [Math.min(told.rttMs, now.rttMs), Math.max(told.rttMs, now.rttMs)];
  return high - low >= 50 && high >= 2 * low;
}
