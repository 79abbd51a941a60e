import { expect, test } from 'vitest';
import { parseBusFile } from '../../../src/config/parse.ts';
import { explainRoute, type RouteQuestion } from '../../../src/routing/explain.ts';
import { exampleBus } from '../../support/bus-file.ts';

const bus = parseBusFile(exampleBus, 'bus.yaml');

function ask(question: Partial<RouteQuestion>): unknown {
  return explainRoute(bus, { customer: 'acme', from: 'tokyo', to: { terminal: 'virginia' }, down: [], ...question });
}

test('answers with path, cost and next hop, and null when links are down', () => {
  expect(ask({})).toEqual({ path: ['tokyo', 'frankfurt', 'virginia'], cost: 2, nextHop: 'frankfurt' });
  expect(ask({ down: [['frankfurt', 'tokyo']] })).toEqual({ path: null, cost: null, nextHop: null });
  expect(ask({ to: { terminal: 'tokyo' } })).toEqual({ path: ['tokyo'], cost: 0, nextHop: null });
});

test('an ordered group takes its first terminal that can be reached', () => {
  const to = { topic: 'trade', group: 'archive' };
  expect(ask({ to })).toMatchObject({ terminal: 'virginia', cost: 2 });
  expect(ask({ to, down: [['virginia', 'frankfurt']] })).toMatchObject({ terminal: 'frankfurt', cost: 1 });
  expect(ask({ to, from: 'frankfurt' })).toMatchObject({ terminal: 'frankfurt', path: ['frankfurt'] });
});

test('other groups take the nearest terminal', () => {
  const nearest = parseBusFile(exampleBus.replace(', policy: ordered', ''), 'bus.yaml');
  const to = { topic: 'trade', group: 'archive' };
  expect(explainRoute(nearest, { customer: 'acme', from: 'tokyo', to, down: [] })).toMatchObject({
    terminal: 'frankfurt',
  });
});

test.each([
  [{ customer: 'globex' }],
  [{ from: 'mars' }],
  [{ to: { terminal: 'mars' } }],
  [{ to: { topic: 'bonds', group: 'x' } }],
  [{ to: { topic: 'trade', group: 'x' } }],
  [{ down: [['tokyo', 'virginia']] as const }],
])('names what the file does not have: %j', (question) => {
  expect(() => ask(question)).toThrow(expect.objectContaining({ code: 'E_UNKNOWN_NOUN' }));
});
