import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BusFile } from '../../../src/config/bus-file.ts';
import { busFileSchema } from '../../../src/config/bus-file.ts';
import { formatBusFile } from '../../../src/config/format.ts';
import { parseBusFile } from '../../../src/config/parse.ts';
import { exampleBus } from '../../support/bus-file.ts';

// Names that YAML would read as something else when they stood unquoted are the interesting ones.
const name = fc.oneof(
  fc.constantFrom('null', 'true', 'no', '1', '0x10', '1e3', '-', '-1', 'y', 'a-b', 'site'),
  fc.stringMatching(/^[A-Za-z0-9-][A-Za-z0-9_-]{0,12}$/).filter((text) => !text.startsWith('mb')),
);
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 4 });
const bytes = fc.integer({ min: 1, max: 2 ** 40 });

/** Buses that the check takes: server sites, every terminal linked with the first, apps with rights to what exists. */
const buses: fc.Arbitrary<BusFile> = fc
  .record({
    sites: names,
    customers: fc.uniqueArray(name, { maxLength: 2 }),
    topics: names,
    groups: names,
    apps: names,
    cost: fc.integer({ min: 1, max: 9 }),
    maxBytes: bytes,
    isLan: fc.boolean(),
    policy: fc.constantFrom('nearest', 'spread', 'ordered'),
    via: fc.boolean(),
  })
  .map(({ sites, customers, topics, groups, apps, cost, maxBytes, isLan, policy, via }) =>
    busFileSchema.parse({
      sites: sites.map((site) => ({ name: site, mode: 'server', address: '[::1]:7422' })),
      customers: customers.map((customer) => ({
        name: customer,
        terminals: sites,
        links: sites
          .slice(1)
          .map((site) => ({ between: [sites[0], site], cost, ...(via && { via: 'nat.example.net:1' }) })),
        topics: topics.map((topic) => ({
          name: topic,
          scope: isLan ? 'lan' : 'bus',
          maxBytes,
          groups: groups.map((group) => ({ name: group, terminals: sites, policy, maxDeliver: cost })),
        })),
        apps: apps.map((app) => ({
          name: app,
          terminal: sites[0],
          publish: topics,
          consume: [`${topics[0]}@${groups[0]}`],
        })),
      })),
    }),
  );

test('what it writes parses to the same bus', () => {
  fc.assert(
    fc.property(buses, (bus) => {
      expect(parseBusFile(formatBusFile(bus), 'export.yaml')).toEqual(bus);
    }),
    { numRuns: 150 },
  );
});

test('writes a line per site, link, group and app, and leaves defaults out', () => {
  const text = formatBusFile(parseBusFile(exampleBus, 'bus.yaml'));
  expect(text).toContain('  - {name: tokyo, mode: server, address: tokyo.example.net:7422}\n');
  expect(text).toContain('      - {between: [virginia, frankfurt]}\n');
  expect(text).not.toContain('maxBytes');
  expect(text.split('\n')).toHaveLength(exampleBus.split('\n').length);
});

test('writes the same text for what it wrote', () => {
  const text = formatBusFile(parseBusFile(exampleBus, 'bus.yaml'));
  expect(formatBusFile(parseBusFile(text, 'bus.yaml'))).toBe(text);
});
