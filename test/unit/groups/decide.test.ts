import { expect, test } from 'vitest';
import { type Candidate, decideMove, type GroupFacts } from '../../../src/groups/decide.ts';

const there: Candidate = {
  terminalId: 'west',
  isReachable: true,
  isDraining: false,
  consumers: 2,
  waiting: 0,
  cost: 1,
};
const far: Candidate = { ...there, terminalId: 'far', cost: 5 };

function facts(over: Partial<GroupFacts> = {}): GroupFacts {
  return {
    isLeftOver: false,
    isDraining: false,
    backlog: 100,
    idleMs: 0,
    failoverAfterMs: 5_000,
    policy: 'nearest',
    targetId: null,
    others: [far, there],
    ...over,
  };
}

test('a backlog with consumers stays', () => {
  expect(decideMove(facts())).toBeNull();
  expect(decideMove(facts({ idleMs: 4_999 }))).toBeNull();
});

test('consumers gone for long enough: it moves to the nearest terminal that has some', () => {
  expect(decideMove(facts({ idleMs: 5_000 }))).toEqual({ reason: 'consumers gone', targetId: 'west' });
  const others = [far, { ...there, consumers: 0 }];
  expect(decideMove(facts({ idleMs: 5_000, others }))?.targetId).toBe('far');
});

test('nobody consumes anywhere, or nobody can be reached: it stays', () => {
  const idle = [far, there].map((each) => ({ ...each, consumers: 0 }));
  expect(decideMove(facts({ idleMs: 60_000, others: idle }))).toBeNull();
  const away = [far, there].map((each) => ({ ...each, isReachable: false }));
  expect(decideMove(facts({ idleMs: 60_000, others: away }))).toBeNull();
  expect(decideMove(facts({ isDraining: true, others: away }))).toBeNull();
});

test('nothing to move is no move, but a drain stands also while nothing waits', () => {
  expect(decideMove(facts({ idleMs: 60_000, backlog: 0 }))).toBeNull();
  expect(decideMove(facts({ isDraining: true, backlog: 0 }))).toEqual({ reason: 'drain', targetId: 'west' });
});

test('a drain goes to a terminal with consumers, else to any that does not drain itself', () => {
  const others = [far, { ...there, consumers: 0 }];
  expect(decideMove(facts({ isDraining: true, others }))?.targetId).toBe('far');
  const idle = [
    { ...far, consumers: 0 },
    { ...there, consumers: 0, isDraining: true },
  ];
  expect(decideMove(facts({ isDraining: true, others: idle }))?.targetId).toBe('far');
});

test('a group that is not served here any more leaves whatever its consumers do', () => {
  expect(decideMove(facts({ isLeftOver: true }))).toEqual({ reason: 'left-over', targetId: 'west' });
});

test('a move under way keeps its target while that may be one', () => {
  expect(decideMove(facts({ isDraining: true, targetId: 'far' }))?.targetId).toBe('far');
  const others = [{ ...far, isDraining: true }, there];
  expect(decideMove(facts({ isDraining: true, targetId: 'far', others }))?.targetId).toBe('west');
});

test('policies choose: ordered takes the first, spread the least burdened', () => {
  expect(decideMove(facts({ isDraining: true, policy: 'ordered' }))?.targetId).toBe('far');
  const others = [far, { ...there, waiting: 10_000 }];
  expect(decideMove(facts({ isDraining: true, policy: 'spread', others }))?.targetId).toBe('far');
});
