/** The custody protocol on virtual time: it holds, and it does not without its defences. docs/simulation.md */
import { describe, expect, it } from 'vitest';
import { simulate, sweep } from '../../../sim/run.ts';
import type { Variant } from '../../../sim/variants.ts';

// a few seconds on a machine that has nothing else to do
const patienceMs = 240_000;

describe('simulated schedules', () => {
  it('lose and double nothing, and no two are the same', { timeout: patienceMs }, async () => {
    const { findings, schedules, distinct, faults, messages } = await simulate({ schedules: 300, seed: 1 });
    expect(findings).toEqual([]);
    expect([schedules, distinct]).toEqual([300, 300]);
    expect(faults).toBeGreaterThan(300);
    expect(messages).toBeGreaterThan(3_000);
  });

  it('run the same again from the same seed, whatever ran before in the thread', { timeout: patienceMs }, async () => {
    const alone = await simulate({ schedules: 1, seed: 9, isTraced: true });
    const after = await simulate({ schedules: 3, seed: 7, isTraced: true, threads: 1 });
    expect(after.trace.slice(-alone.trace.length)).toEqual(alone.trace);
  });
});

describe('a crash', () => {
  // the whole sweep is npm run sim -- --sweep
  it('at any event of any process costs nothing', { timeout: patienceMs }, async () => {
    const { findings, schedules } = await sweep({ seed: 3, stride: 5 });
    expect(findings).toEqual([]);
    expect(schedules).toBeGreaterThan(30);
  });
});

describe('seeds that once found something', () => {
  it.each([34, 963, 1988, 4931])('%i', { timeout: patienceMs }, async (seed) => {
    expect((await simulate({ schedules: 1, seed })).findings).toEqual([]);
  });
});

describe('without a defence', () => {
  it.each<[Variant, string]>([
    ['no-receipts', 'lost'],
    ['no-marker', 'duplicated'],
    ['early-custody', 'lost'],
    ['no-hold', 'duplicated'],
  ])('%s: a message is %s', { timeout: patienceMs }, async (variant, kind) => {
    const { findings } = await simulate({ schedules: 1_000, seed: 1, variant, isShrunk: false, until: [kind] });
    expect(findings.map((each) => each.kind)).toContain(kind);
  });
});
