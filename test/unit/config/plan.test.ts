import { expect, test } from 'vitest';
import type { BusFile } from '../../../src/config/bus-file.ts';
import { parseBusFile } from '../../../src/config/parse.ts';
import { planChanges } from '../../../src/config/plan.ts';
import { exampleBus } from '../../support/bus-file.ts';

const bus = parseBusFile(exampleBus, 'bus.yaml');
const nothing: BusFile = { sites: [], customers: [] };

function edited(...edits: [from: string, to: string][]): BusFile {
  return parseBusFile(
    edits.reduce((text, [from, to]) => text.replace(from, to), exampleBus),
    'bus.yaml',
  );
}

function lines(current: BusFile, desired: BusFile): string[] {
  return planChanges(current, desired).map(({ action, noun, name, fields }) =>
    [action, noun, name, ...fields].join(' | '),
  );
}

test('the same bus needs nothing, also in another order', () => {
  const other: BusFile = {
    sites: [...bus.sites].reverse(),
    customers: bus.customers.map((c) => ({
      ...c,
      terminals: [...c.terminals].reverse(),
      links: c.links.map((link) => ({ ...link, between: [link.between[1], link.between[0]] })),
      apps: [...c.apps].reverse(),
    })),
  };
  expect(planChanges(bus, bus)).toEqual([]);
  expect(planChanges(bus, other)).toEqual([]);
});

test('adds a noun before what depends on it, and removes it after', () => {
  const adds = planChanges(nothing, bus);
  const removes = planChanges(bus, nothing);
  const nouns = ['site', 'customer', 'terminal', 'link', 'topic', 'group', 'app'];
  expect([...new Set(adds.map(({ noun }) => noun))]).toEqual(nouns);
  expect([...new Set(removes.map(({ noun }) => noun))]).toEqual(nouns.reverse());
  expect(adds).toHaveLength(removes.length);
});

test('tells each field that differs, old and new', () => {
  const desired = edited(
    ['cost: 1', 'cost: 7'],
    ['mode: client', 'mode: client, durability: power'],
    ['publish: [trade]', 'consume: [trade@risk], publish: []'],
    ['terminal: tokyo', 'terminal: frankfurt'],
  );
  expect(lines(bus, desired)).toEqual([
    'update | site | virginia | durability: auto -> power',
    'update | link | acme/frankfurt-tokyo | cost: 1 -> 7',
    'update | app | acme/exchange | terminal: tokyo -> frankfurt | publish: [trade] -> [] | consume: [] -> [trade@risk]',
  ]);
});

test('removes come first, and a renamed topic is another topic', () => {
  const desired = edited(
    ['name: trade', 'name: deals'],
    ['publish: [trade]', 'publish: [deals]'],
    ['trade@risk', 'deals@risk'],
  );
  expect(lines(bus, desired)).toEqual([
    'remove | group | acme/trade@risk',
    'remove | group | acme/trade@archive',
    'remove | topic | acme/trade',
    'add | topic | acme/deals',
    'add | group | acme/deals@risk',
    'add | group | acme/deals@archive',
    'update | app | acme/exchange | publish: [trade] -> [deals]',
    'update | app | acme/risk-engine | consume: [trade@risk] -> [deals@risk]',
  ]);
});

test('the order of terminals counts for policy ordered only', () => {
  const swapped = edited(['terminals: [virginia, frankfurt]', 'terminals: [frankfurt, virginia]']);
  expect(lines(bus, swapped)).toEqual([
    'update | group | acme/trade@archive | terminals: [virginia, frankfurt] -> [frankfurt, virginia]',
  ]);
  const nearest = edited([', policy: ordered', '']);
  const nearestSwapped = edited(
    [', policy: ordered', ''],
    ['terminals: [virginia, frankfurt]', 'terminals: [frankfurt, virginia]'],
  );
  expect(planChanges(nearest, nearestSwapped)).toEqual([]);
});

test('names with a dash do not make two links one', () => {
  const text = `sites:
  - {name: a, mode: server, address: "h:1"}
  - {name: b-c, mode: server, address: "h:2"}
  - {name: a-b, mode: server, address: "h:3"}
  - {name: c, mode: server, address: "h:4"}
customers:
  - name: acme
    terminals: [a, b-c, a-b, c]
    links:
      - {between: [a, b-c], cost: 1}
      - {between: [a-b, c], cost: 2}
`;
  const both = parseBusFile(text, 'bus.yaml');
  const one = parseBusFile(text.replace('cost: 2', 'cost: 3'), 'bus.yaml');
  expect(lines(both, one)).toEqual(['update | link | acme/a-b-c | cost: 2 -> 3']);
});
