import { expect, test } from 'vitest';
import type { Clock } from '../../../src/clock.ts';
import { RouteWatch } from '../../../src/terminal/route-watch.ts';

interface Kit {
  watch: RouteWatch;
  at: (ms: number) => void;
  /** the path in use, and the links that are up */
  routeIs: (path: string, up: string) => void;
  /** what it began to go around, and for which terminal */
  shunned: string[];
}

function kit(detour = ''): Kit {
  let nowMs = 0;
  let path: string[] = [];
  let up: string[] = [];
  let changed = (): void => undefined;
  const clock: Clock = { monotonicMs: () => nowMs, wallMs: () => 0, sleep: async () => undefined };
  const isPathUp = (asked: readonly string[]): boolean =>
    asked.slice(1).every((id, index) => up.includes(`${asked[index]}${id}`));
  const pathAround = (shun: readonly string[]): string[] => (path.some((id) => shun.includes(id)) ? [...detour] : path);
  const routes = {
    path: (_to: string, _avoid?: readonly string[], shun: readonly string[] = []) => {
      const around = pathAround(shun);
      return { path: around, cost: 1, isWhole: isPathUp(around) };
    },
    isPathUp,
    rttOver: () => 100,
    onChange: (callback: () => void) => {
      changed = callback;
      return () => undefined;
    },
  };
  const routeIs = (next: string, links: string): void => {
    path = [...next];
    up = links.split(' ');
    changed();
  };
  const shunned: string[] = [];
  const onShunned = (over: readonly string[], id: string): void => void shunned.push(`${over} for ${id}`);
  const watch = new RouteWatch({ routes, queueMs: () => 0, onOverdue: () => undefined, onShunned, clock });
  const at = (ms: number): void => {
    nowMs = ms;
  };
  return { watch, at, routeIs, shunned };
}

test('a path that breaks gives up what was sent over it; a better one does not', () => {
  const { watch, at, routeIs } = kit();
  routeIs('adb', 'ad db');
  expect(watch.receiptTerms('b')).toEqual({ patienceMs: 2_800, changedAtMs: 0, brokenAtMs: 0, shortPatienceMs: 500 });
  at(10);
  routeIs('acb', 'ad db ac cb');
  expect(watch.receiptTerms('b')).toMatchObject({ changedAtMs: 10, brokenAtMs: 0 });
  at(20);
  routeIs('adb', 'ad db ac');
  expect(watch.receiptTerms('b')).toMatchObject({ changedAtMs: 20, brokenAtMs: 20 });
  watch.stop();
});

test('while links on the way are down there is no limit; it counts anew once they are up', () => {
  const { watch, at, routeIs } = kit();
  routeIs('adb', 'ad db');
  watch.receiptTerms('b');
  at(10);
  routeIs('adb', 'ad');
  expect(watch.receiptTerms('b')).toMatchObject({ patienceMs: Number.POSITIVE_INFINITY, brokenAtMs: 10 });
  at(5_000);
  routeIs('adb', 'ad db');
  expect(watch.receiptTerms('b')).toMatchObject({ patienceMs: 2_800, changedAtMs: 5_000, brokenAtMs: 10 });
  watch.stop();
});

test('a receipt that stays out has the way gone around, for a while', () => {
  const { watch, at, routeIs, shunned } = kit('aub');
  routeIs('atb', 'at tb au ub');
  watch.receiptTerms('b');
  at(1_000);
  const { patienceMs: waitMs } = watch.receiptTerms('b');
  watch.noReceipt('b');
  expect(shunned).toEqual(['t for b']);
  expect(watch.shunOf('b')).toEqual(['t']);
  expect(watch.shunOf('c')).toEqual([]);
  expect(watch.receiptTerms('b')).toMatchObject({ changedAtMs: 1_000, brokenAtMs: 0 });
  at(1_000 + 3 * waitMs);
  expect(watch.shunOf('b')).toEqual([]);
  expect(watch.receiptTerms('b')).toMatchObject({ changedAtMs: 1_000 + 3 * waitMs });
  watch.stop();
});

test('a terminal on the way that gave up is gone around at once; one that is not on the way says nothing', () => {
  const { watch, at, routeIs, shunned } = kit('aub');
  routeIs('atb', 'at tb au ub');
  watch.receiptTerms('b');
  at(1_000);
  watch.released('b', 'u');
  expect(shunned).toEqual([]);
  watch.released('b', 't');
  expect(shunned).toEqual(['t for b']);
  expect(watch.receiptTerms('b')).toMatchObject({ changedAtMs: 1_000, brokenAtMs: 1_000 });
  watch.stop();
});
