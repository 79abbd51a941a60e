import { expect, test } from 'vitest';
import { type Status, statusText } from '../../../cli/status-text.ts';

function silentSite(name: string, reportAgeMs: number | null): Status['sites'][number] {
  return { id: name, name, mode: 'client', state: 'joined', reportAgeMs, report: null };
}

test('tells a site that never reported from one that fell silent', () => {
  const sites = [silentSite('tokyo', null), silentSite('osaka', 180_000)];
  const facts = { busId: 'bus', version: 1, names: {}, replicas: [], draining: [], forgotten: [], revoked: [] };
  const text = statusText({ ...facts, sites });
  expect(text).toContain('tokyo: has not reported yet');
  expect(text).toContain('osaka: no report for 3 min');
});
