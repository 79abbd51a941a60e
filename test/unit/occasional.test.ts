import { expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { Occasional } from '../../src/occasional.ts';

test('says the first of a key, then one a second with how many it passed over', () => {
  let nowMs = 0;
  const occasional = new Occasional({ ...systemClock, monotonicMs: () => nowMs });
  expect(occasional.say('a')).toBe(0);
  expect([occasional.say('a'), occasional.say('a'), occasional.say('b')]).toEqual([undefined, undefined, 0]);
  nowMs = 1_000;
  expect(occasional.say('a')).toBe(2);
});
