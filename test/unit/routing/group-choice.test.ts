import { expect, test } from 'vitest';
import { type Candidate, GroupChoice } from '../../../src/routing/group-choice.ts';

const candidate = (terminalId: string, fields: Partial<Candidate> = {}): Candidate => ({
  terminalId,
  cost: 1,
  isWhole: true,
  lostForMs: null,
  isDraining: false,
  load: null,
  idleForMs: null,
  tie: terminalId,
  ...fields,
});

const load = (consumers: number, waiting = 0) => ({ consumers, waiting });
const group = (policy: 'nearest' | 'spread' | 'ordered') => ({ id: 'g', policy, failoverAfterMs: 5_000 });

test('nearest takes the cheapest whole path, ordered the first, spread the least waiting per consumer', () => {
  const rows = [candidate('far', { cost: 9 }), candidate('near', { cost: 2 }), candidate('gone', { isWhole: false })];
  expect(new GroupChoice().choose(group('nearest'), rows, null, 0)).toBe('near');
  expect(new GroupChoice().choose(group('ordered'), rows, null, 0)).toBe('far');
  const loads = [candidate('a', { load: load(1, 300) }), candidate('b', { load: load(4, 800) })];
  expect(new GroupChoice().choose(group('spread'), loads, null, 0)).toBe('b');
  expect(new GroupChoice().choose(group('nearest'), [], null, 0)).toBeNull();
});

test('one that is lost is given up after a moment, if another can be reached', () => {
  const choice = new GroupChoice();
  const lost = (ms: number): Candidate => candidate('a', { isWhole: false, lostForMs: ms });
  expect(choice.choose(group('nearest'), [lost(2_900), candidate('b')], 'a', 0)).toBe('a');
  expect(choice.choose(group('nearest'), [lost(3_000), candidate('b')], 'a', 0)).toBe('b');
  const none = [lost(99_000), candidate('b', { isWhole: false, lostForMs: 99_000 })];
  expect(choice.choose(group('nearest'), none, 'a', 0)).toBe('a');
});

test('a little better is not enough, and clearly better only after it has lasted', () => {
  const choice = new GroupChoice();
  const at = (cost: number, nowMs: number) =>
    choice.choose(group('nearest'), [candidate('a', { cost: 5 }), candidate('b', { cost })], 'a', nowMs);
  expect(at(4.5, 0)).toBe('a');
  expect(at(4.5, 60_000)).toBe('a');
  expect(at(2, 60_000)).toBe('a');
  expect(at(2, 69_000)).toBe('a');
  // a moment in which it is not better begins the wait anew
  expect(at(4.5, 69_500)).toBe('a');
  expect(at(2, 70_500)).toBe('a');
  expect(at(2, 80_000)).toBe('a');
  expect(at(2, 80_500)).toBe('b');
});

test('without consumers for long enough a terminal is passed over while another has some', () => {
  const choose = (idleForMs: number, other: number) =>
    new GroupChoice().choose(
      group('ordered'),
      [candidate('a', { load: load(0), idleForMs }), candidate('b', { load: load(other) })],
      'a',
      0,
    );
  expect(choose(4_900, 1)).toBe('a');
  expect(choose(5_000, 1)).toBe('b');
  expect(choose(5_000, 0)).toBe('a');
});

test('a terminal that drains is passed over, unless all do', () => {
  const draining = candidate('a', { load: load(5), isDraining: true });
  expect(new GroupChoice().choose(group('nearest'), [draining, candidate('b', { cost: 9 })], 'a', 0)).toBe('b');
  const both = [draining, candidate('b', { cost: 9, load: load(1), isDraining: true })];
  expect(new GroupChoice().choose(group('nearest'), both, 'a', 0)).toBe('a');
});

test('spread moves on when what waits has grown clearly larger here than there', () => {
  const choice = new GroupChoice();
  const at = (waiting: number, nowMs: number) =>
    choice.choose(
      group('spread'),
      [candidate('a', { load: load(1, waiting) }), candidate('b', { load: load(1, 100) })],
      'a',
      nowMs,
    );
  expect(at(240, 0)).toBe('a');
  expect(at(240, 60_000)).toBe('a');
  expect(at(300, 60_000)).toBe('a');
  expect(at(300, 65_000)).toBe('b');
});

test('equals are taken in an order of their own', () => {
  const rows = [candidate('a', { tie: '2' }), candidate('b', { tie: '1' })];
  for (const policy of ['nearest', 'spread'] as const) {
    expect(new GroupChoice().choose(group(policy), rows, null, 0)).toBe('b');
  }
});
