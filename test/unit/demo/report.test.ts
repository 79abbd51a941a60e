import { describe, expect, it } from 'vitest';
import { renderTable, summarize } from '../../../demo/report.ts';

const facts = {
  published: 3,
  groups: { 'acme/trade@risk': { expected: 3, delivered: 3, lost: 0, duplicated: 0, changed: 0 } },
  wire: { bytes: 900, plaintextFound: 0 },
  isolation: { attempts: 7, leaks: 0 },
  seconds: 1.5,
};

function withTally(change: Partial<(typeof facts.groups)['acme/trade@risk']>): typeof facts {
  return { ...facts, groups: { 'acme/trade@risk': { ...facts.groups['acme/trade@risk'], ...change } } };
}

describe('the report', () => {
  it('has exactly the documented shape', () => {
    expect(summarize(facts)).toEqual({ ok: true, ...facts });
    expect(Object.keys(summarize(facts))).toEqual(['ok', 'published', 'groups', 'wire', 'isolation', 'seconds']);
  });

  it.each([
    ['a lost message', withTally({ lost: 1 })],
    ['a doubled message', withTally({ duplicated: 1 })],
    ['a changed message', withTally({ changed: 1 })],
    ['plaintext on the wire', { ...facts, wire: { bytes: 900, plaintextFound: 1 } }],
    ['a leak between customers', { ...facts, isolation: { attempts: 7, leaks: 1 } }],
    ['an eavesdropper that heard nothing', { ...facts, wire: { bytes: 0, plaintextFound: 0 } }],
    ['no attempt at isolation', { ...facts, isolation: { attempts: 0, leaks: 0 } }],
    ['nothing published', { ...facts, published: 0 }],
  ])('is not ok with %s', (_, bad) => {
    expect(summarize(bad).ok).toBe(false);
  });

  it('is not ok when something went wrong beside the numbers', () => {
    expect(summarize(facts, ['a cut link carried bytes']).ok).toBe(false);
  });

  it('prints one line per group and the verdict', () => {
    const table = renderTable(summarize(facts));
    expect(table).toMatch(/acme\/trade@risk\s+3\s+3\s+0\s+0\s+0/);
    expect(table).toContain('OK: nothing lost, doubled, changed or leaked');
    expect(renderTable(summarize(withTally({ lost: 2 })))).toContain('FAILED');
  });
});
