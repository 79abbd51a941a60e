import { expect, test } from 'vitest';
import { extraMilli, isWorthTelling, linkMilli, maxExtraMilli } from '../../../src/routing/link-cost.ts';

const facts = (rttMs: number, lossRatio = 0, backlogMs = 0) => ({ rttMs, jitterMs: 0, lossRatio, backlogMs });

// the examples of docs/routing.md
test.each([
  ['one rack', 1, facts(0.5), 1.01],
  ['one city', 1, facts(4), 1.077],
  ['an ocean', 1, facts(100), 2],
  ['a satellite', 1, facts(600), 2.714],
  ['an ocean with one hello in 16 late', 1, facts(100, 2 / 32), 2.769],
  ['an ocean with a second of backlog', 1, facts(100, 0, 1_000), 2.5],
  ['a dear line', 50, facts(4), 50.077],
])('%s costs what the page says', (_, operator, measured, cost) => {
  expect(linkMilli(operator, extraMilli(measured)) / 1_000).toBe(cost);
});

test('no measurement outweighs the cap', () => {
  const worst = extraMilli(facts(1e9, 1, 1e9));
  expect(worst).toBeLessThanOrEqual(maxExtraMilli);
  expect(linkMilli(1, worst, 1e12)).toBe(1_000 + maxExtraMilli);
  expect(linkMilli(7, -5, 0)).toBe(7_000);
});

test.each([
  [1, 0, 190, false],
  [1, 0, 260, true],
  [1, 2_000, 2_700, false],
  [1, 2_000, 2_800, true],
  [100, 0, 4_900, false],
])('at an operator cost of %d a change from %d to %d is told: %s', (operator, told, now, expected) => {
  expect(isWorthTelling(operator, { extraMilli: told, rttMs: 0 }, { extraMilli: now, rttMs: 0 })).toBe(expected);
});

test('a round trip that doubles is told, because receipts are waited for by it', () => {
  const at = (rttMs: number) => ({ extraMilli: 0, rttMs });
  expect(isWorthTelling(100, at(40), at(100))).toBe(true);
  expect(isWorthTelling(100, at(2), at(20))).toBe(false);
});
