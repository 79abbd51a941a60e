import { expect, test } from 'vitest';
import type { Clock } from '../../../src/clock.ts';
import { Suspects } from '../../../src/terminal/suspects.ts';

/** Ways from a to b in order of cost; the first that touches nothing shunned is taken, else the first of all. */
function kit(...ways: string[]): { suspects: Suspects; at: (ms: number) => void } {
  let nowMs = 0;
  const clock: Clock = { monotonicMs: () => nowMs, wallMs: () => 0, sleep: async () => undefined };
  const find = (_to: string, shun: readonly string[]): { path: string[]; isWhole: boolean } => {
    const around = ways.find((way) => !shun.some((id) => way.includes(id)));
    return { path: [...(around ?? ways[0] ?? '')], isWhole: true };
  };
  const at = (ms: number): void => {
    nowMs = ms;
  };
  return { suspects: new Suspects(find, clock), at };
}

test('all terminals of the way are gone around where a way does, else the first hop, else another', () => {
  expect(kit('atsb', 'aub').suspects.blame('b')).toEqual(['t', 's']);
  expect(kit('atsb', 'ausb').suspects.blame('b')).toEqual(['t']);
  expect(kit('atsb', 'atub').suspects.blame('b')).toEqual(['s']);
});

test('with no other way, or none between, nobody is suspected', () => {
  expect(kit('atb').suspects.blame('b')).toEqual([]);
  expect(kit('ab', 'atb').suspects.blame('b')).toEqual([]);
});

test('when every way was tried in vain, the terminal itself is at fault and nobody is gone around for a while', () => {
  const { suspects, at } = kit('atb', 'aub');
  expect(suspects.blame('b')).toEqual(['t']);
  at(4_000);
  expect(suspects.blame('b')).toEqual([]);
  expect(suspects.shunOf('b')).toEqual([]);
  at(8_000);
  expect(suspects.blame('b')).toEqual([]);
  at(70_000);
  expect(suspects.blame('b')).toEqual(['t']);
});

test('a suspicion ends by itself, later each time', () => {
  const { suspects, at } = kit('atb', 'aub');
  let nowMs = 0;
  const lasts = [1, 2, 3, 4].map(() => {
    suspects.blame('b');
    const beganMs = nowMs;
    while (suspects.shunOf('b').length > 0) {
      nowMs += 1_000;
      at(nowMs);
    }
    return nowMs - beganMs;
  });
  expect(lasts).toEqual([5_000, 10_000, 20_000, 40_000]);
});

test('it lasts until two other ways could show what they give, so two that drop are both gone around', () => {
  const { suspects, at } = kit('atb', 'aub', 'avb');
  const patienceMs = 30_000;
  expect(suspects.blame('b', { patienceMs })).toEqual(['t']);
  at(patienceMs);
  expect(suspects.blame('b', { patienceMs })).toEqual(['u']);
  at(2 * patienceMs);
  expect(suspects.shunOf('b')).toEqual(['t', 'u']);
  at(4 * patienceMs);
  expect(suspects.shunOf('b')).toEqual([]);
});
