import { expect, test } from 'vitest';
import { LagHistory } from '../../../src/console/history.ts';
import type { GroupRow } from '../../../src/console/view.ts';

const nothing = { pending: 0, unacked: 0, dead: 0, consumers: null, oldestMs: null, servedBy: null, reason: '' };

function row(site: string, outgoing: number, name = 'acme/trade@risk'): GroupRow {
  return { ...nothing, name, customer: 'acme', site, outgoing };
}

test('all series of a group share its times, with gaps where a site was not heard', () => {
  const history = new LagHistory();
  history.add(1, [row('tokyo', 5)]);
  history.add(2, [{ ...row('tokyo', 6), pending: 2, unacked: 1 }, row('osaka', 1)]);
  history.add(3, [row('osaka', 2)]);
  expect(history.of('acme/trade@risk')).toEqual({
    times: [1, 2, 3],
    sites: { tokyo: [5, 9, null], osaka: [null, 1, 2] },
  });
  expect(history.of('acme/none')).toEqual({ times: [1, 2, 3], sites: {} });
});

test('an hour is kept, and a group that was gone for all of it is forgotten', () => {
  const history = new LagHistory();
  history.add(0, [row('tokyo', 1), row('tokyo', 1, 'acme/old@gone')]);
  for (let i = 1; i <= 720; i++) history.add(i, [row('tokyo', i)]);
  const { times, sites } = history.of('acme/trade@risk');
  expect([times.length, times[0], sites.tokyo?.length, sites.tokyo?.[0]]).toEqual([720, 1, 720, 1]);
  expect(history.of('acme/old@gone').sites).toEqual({});
});

test('there are never more series than there is room for', () => {
  const history = new LagHistory();
  const rows = Array.from({ length: 5_000 }, (_, i) => row('tokyo', i, `acme/t@g${i}`));
  history.add(1, rows);
  expect(history.of('acme/t@g3999').sites.tokyo).toEqual([3_999]);
  expect(history.of('acme/t@g4000').sites).toEqual({});
});
