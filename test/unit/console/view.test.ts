import { expect, test } from 'vitest';
import { Traffic } from '../../../src/console/traffic.ts';
import { consoleView } from '../../../src/console/view.ts';
import { type Status, stuckThings } from '../../../src/status/index.ts';
import { busOf, ids } from '../status/reports.ts';

const now = Date.parse('2026-03-01T12:00:00Z');

function viewOf(status: Status) {
  return consoleView({ status, stuck: stuckThings(status, now), rates: new Map(), atMs: now });
}

test('a link is what the worse of its ends says, and names both sites', () => {
  const links = [{ linkId: ids.frankfurtTokyo, state: 'down' as const, reason: 'the leaf connection closed' }];
  const view = viewOf(busOf({ tokyo: { links } }));
  const [first, second] = view.links;
  expect(first).toMatchObject({ name: 'acme/frankfurt-tokyo', sites: ['frankfurt', 'tokyo'], state: 'down' });
  expect(first?.ends.map(({ site, state }) => `${site} ${state}`)).toEqual(['tokyo down', 'frankfurt up']);
  expect(second).toMatchObject({ name: 'acme/frankfurt-virginia', state: 'up' });
});

test('the word of a site that does not report counts for nothing', () => {
  const view = viewOf(busOf({ tokyo: { reportAgeMs: 60_000 } }));
  expect(view.sites.find(({ name }) => name === 'tokyo')?.voice).toBe('unheard');
  const ends = view.links[0]?.ends.map(({ site, state }) => `${site} ${state}`);
  expect(ends).toEqual(['tokyo unknown', 'frankfurt up']);
  expect(view.links[0]?.state).toBe('up');
});

test('sites name the customers that have a terminal there', () => {
  expect(viewOf(busOf()).sites.map(({ customers }) => customers)).toEqual([['acme'], ['acme'], ['acme']]);
});

test('traffic is the growth from one report to the next, and begins anew with a session', () => {
  const traffic = new Traffic();
  const after = (sentBytes: number, nowMs: number) => {
    const end = { linkId: ids.frankfurtTokyo, sentBytes, receivedBytes: 0 };
    return traffic.take(busOf({ tokyo: { reportAgeMs: 0, links: [end] } }), nowMs).get(`tokyo ${ids.frankfurtTokyo}`);
  };
  expect(after(1_000, now)).toBeUndefined();
  expect(after(7_000, now + 3_000)).toEqual({ sent: 2_000, received: 0 });
  expect(after(7_100, now + 3_100)).toEqual({ sent: 2_000, received: 0 });
  expect(after(10_000, now + 6_000)).toEqual({ sent: 1_000, received: 0 });
  expect(after(50, now + 9_000)).toBeUndefined();
});
