import { expect, test } from 'vitest';
import type { Clock } from '../../../src/clock.ts';
import { RouteWatch } from '../../../src/terminal/route-watch.ts';

interface Kit {
  watch: RouteWatch;
  at: (ms: number) => void;
  /** the path in use, and the links that are up */
  routeIs: (path: string, up: string) => void;
}

function kit(): Kit {
  let nowMs = 0;
  let path: string[] = [];
  let up: string[] = [];
  let changed = (): void => undefined;
  const clock: Clock = { monotonicMs: () => nowMs, wallMs: () => 0, sleep: async () => undefined };
  const isPathUp = (asked: readonly string[]): boolean =>
    asked.slice(1).every((id, index) => up.includes(`${asked[index]}${id}`));
  const routes = {
    path: () => ({ path, cost: 1, isWhole: isPathUp(path) }),
    isPathUp,
    rttTo: () => 100,
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
  const watch = new RouteWatch({ routes, queueMs: () => 0, onOverdue: () => undefined, clock });
  const at = (ms: number): void => {
    nowMs = ms;
  };
  return { watch, at, routeIs };
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
