import { expect, test } from 'vitest';
import { type DropSample, Drops } from '../../../src/terminal/drops.ts';

function counted(): { drops: Drops; look: (sample: DropSample) => void; total: () => number } {
  let sum = 0;
  const drops = new Drops((_, messages) => {
    sum += messages;
  });
  return { drops, look: (sample) => drops.sample('g', sample), total: () => sum };
}

test('what came, was not delivered and does not wait was dropped; markers are no messages', () => {
  const { drops, look, total } = counted();
  look({ last: 100, deliveries: 90, pending: 0 });
  drops.noteMarker('g');
  look({ last: 181, deliveries: 110, pending: 20 });
  expect(total()).toBe(0);
  look({ last: 181, deliveries: 120, pending: 10 });
  expect(total()).toBe(40);
  look({ last: 181, deliveries: 130, pending: 0 });
  look({ last: 181, deliveries: 130, pending: 0 });
  expect(total()).toBe(40);
  expect(drops.of('g')).toBe(40);
  expect(drops.of('other')).toBe(0);
});

test('repeats, and what one look alone has seen, make no drops of nothing', () => {
  const { look, total } = counted();
  look({ last: 30, deliveries: 10, pending: 15 });
  // the stream was looked at after its consumer
  look({ last: 35, deliveries: 10, pending: 15 });
  look({ last: 35, deliveries: 10, pending: 20 });
  look({ last: 35, deliveries: 35, pending: 0 });
  look({ last: 35, deliveries: 35, pending: 0 });
  expect(total()).toBe(0);
});
