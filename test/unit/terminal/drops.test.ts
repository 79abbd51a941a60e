import { expect, test } from 'vitest';
import { Drops } from '../../../src/terminal/drops.ts';

function counted(): { drops: Drops; total: () => number } {
  let sum = 0;
  const drops = new Drops((_, messages) => {
    sum += messages;
  });
  return { drops, total: () => sum };
}

test('what was passed over without a delivery counts as dropped, markers do not', () => {
  const { drops, total } = counted();
  drops.sample('g', { delivered: 100, deliveries: 90, first: 95, last: 100, pending: 0 });
  drops.noteMarker('g');
  drops.sample('g', { delivered: 121, deliveries: 110, first: 121, last: 121, pending: 0 });
  expect(total()).toBe(0);
  drops.sample('g', { delivered: 181, deliveries: 130, first: 170, last: 181, pending: 0 });
  expect(total()).toBe(40);
  expect(drops.of('g')).toBe(40);
});

test('what the oldest message has passed counts before anything behind it is delivered, and once', () => {
  const { drops, total } = counted();
  drops.sample('g', { delivered: 10, deliveries: 10, first: 5, last: 20, pending: 10 });
  drops.sample('g', { delivered: 10, deliveries: 10, first: 61, last: 70, pending: 10 });
  expect(total()).toBe(50);
  drops.sample('g', { delivered: 70, deliveries: 20, first: 65, last: 70, pending: 0 });
  expect(total()).toBe(50);
});

test('repeats and markers never make drops of nothing, whenever they were written', () => {
  const { drops, total } = counted();
  // five of the twenty that wait are markers of an earlier life
  drops.sample('g', { delivered: 10, deliveries: 10, first: 1, last: 30, pending: 15 });
  drops.noteMarker('g');
  drops.sample('g', { delivered: 10, deliveries: 10, first: 1, last: 31, pending: 15 });
  drops.sample('g', { delivered: 31, deliveries: 25, first: 10, last: 31, pending: 0 });
  drops.sample('g', { delivered: 35, deliveries: 40, first: 10, last: 35, pending: 0 });
  expect(total()).toBe(0);
  expect(drops.of('other')).toBe(0);
});
