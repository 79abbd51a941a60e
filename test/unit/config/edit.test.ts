import { expect, test } from 'vitest';
import { requireBus } from '../../../src/config/check.ts';
import * as edit from '../../../src/config/edit.ts';
import { parseBusFile } from '../../../src/config/parse.ts';
import { planChanges } from '../../../src/config/plan.ts';
import { exampleBus } from '../../support/bus-file.ts';

const bus = parseBusFile(exampleBus, 'bus.yaml');

function changesOf(draft: edit.BusDraft): string[] {
  const after = requireBus(draft, 'the bus after this change');
  return planChanges(bus, after).map(({ action, noun, name, fields }) => [action, noun, name, ...fields].join(' | '));
}

test('a site and a terminal with its link are added', () => {
  const withSite = edit.addSite(bus, { name: 'osaka', mode: 'client' });
  const draft = edit.addTerminal(withSite, 'acme', 'osaka', [{ between: ['osaka', 'tokyo'], cost: 3 }]);
  expect(changesOf(draft)).toEqual([
    'add | site | osaka',
    'add | terminal | acme/osaka',
    'add | link | acme/osaka-tokyo',
  ]);
});

test('a client terminal without a link fails the check', () => {
  const withSite = edit.addSite(bus, { name: 'osaka', mode: 'client' });
  expect(() => requireBus(edit.addTerminal(withSite, 'acme', 'osaka', []), 'after')).toThrow(
    /client site "osaka" has no link/,
  );
});

test('a terminal goes with its links, but not from under a group', () => {
  expect(() => requireBus(edit.removeTerminal(bus, 'acme', 'virginia'), 'after')).toThrow(/has no terminal "virginia"/);
  const moved = edit.setGroup(
    bus,
    { customer: 'acme', topic: 'trade', group: 'archive' },
    { terminals: ['frankfurt'] },
  );
  expect(changesOf(edit.removeTerminal(moved, 'acme', 'virginia'))).toEqual([
    'remove | link | acme/frankfurt-virginia',
    'remove | terminal | acme/virginia',
    'update | group | acme/trade@archive | terminals: [virginia, frankfurt] -> [frankfurt]',
  ]);
});

test('a link is set whichever end is named first', () => {
  const draft = edit.setLink(bus, 'acme', { between: ['frankfurt', 'tokyo'], cost: 50 });
  expect(changesOf(draft)).toEqual(['update | link | acme/frankfurt-tokyo | cost: 1 -> 50']);
});

test('topic, group and app are added and removed', () => {
  let draft = edit.addTopic(bus, 'acme', { name: 'depth' });
  draft = edit.addGroup(draft, { customer: 'acme', topic: 'depth', group: 'books' }, { terminals: ['tokyo'] });
  draft = edit.addApp(draft, 'acme', { name: 'booker', terminal: 'tokyo', consume: ['depth@books'] });
  expect(changesOf(draft)).toEqual([
    'add | topic | acme/depth',
    'add | group | acme/depth@books',
    'add | app | acme/booker',
  ]);
  draft = edit.removeApp(draft, 'acme', 'booker');
  draft = edit.removeGroup(draft, { customer: 'acme', topic: 'depth', group: 'books' });
  expect(changesOf(edit.removeTopic(draft, 'acme', 'depth'))).toEqual([]);
});

const group = { customer: 'acme', topic: 'trade', group: 'risk' };
const unknown: [string, () => unknown][] = [
  ['site', () => edit.removeSite(bus, 'mars')],
  ['customer', () => edit.removeCustomer(bus, 'globex')],
  ['customer', () => edit.addTopic(bus, 'globex', { name: 'x' })],
  ['terminal', () => edit.removeTerminal(bus, 'acme', 'mars')],
  ['link', () => edit.removeLink(bus, 'acme', ['tokyo', 'virginia'])],
  ['link', () => edit.setLink(bus, 'acme', { between: ['tokyo', 'virginia'] })],
  ['topic', () => edit.addGroup(bus, { ...group, topic: 'bonds' }, { terminals: ['tokyo'] })],
  ['group', () => edit.setGroup(bus, { ...group, group: 'riskk' }, {})],
  ['app', () => edit.removeApp(bus, 'acme', 'ghost')],
];

test.each(unknown)('tells of an unknown %s', (noun, change) => {
  expect(change).toThrow(expect.objectContaining({ code: 'E_UNKNOWN_NOUN', message: expect.stringContaining(noun) }));
});

const existing: [string, () => unknown][] = [
  ['site', () => edit.addSite(bus, { name: 'tokyo', mode: 'client' })],
  ['customer', () => edit.addCustomer(bus, { name: 'acme', terminals: ['tokyo'] })],
  ['terminal', () => edit.addTerminal(bus, 'acme', 'tokyo', [])],
  ['link', () => edit.addLink(bus, 'acme', { between: ['frankfurt', 'tokyo'] })],
  ['topic', () => edit.addTopic(bus, 'acme', { name: 'trade' })],
  ['group', () => edit.addGroup(bus, group, { terminals: ['tokyo'] })],
  ['app', () => edit.addApp(bus, 'acme', { name: 'exchange', terminal: 'tokyo' })],
];

test.each(existing)('tells of a %s that is there already', (noun, change) => {
  expect(change).toThrow(expect.objectContaining({ code: 'E_EXISTS', message: expect.stringContaining(noun) }));
});

test('refuses a bad name before anything else', () => {
  expect(() => edit.addSite(bus, { name: 'a.>', mode: 'client' })).toThrow(expect.objectContaining({ code: 'E_NAME' }));
});
