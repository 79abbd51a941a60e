/** What a change deletes, from reports as sites send them; `tokyo` publishes, `frankfurt` and `osaka` hold groups. */
import { expect, test } from 'vitest';
import { type Loss, lossText } from '../../../src/api/loss.ts';
import { type SiteReport, siteReportSchema } from '../../../src/api/site-report.ts';
import { parseBusFile } from '../../../src/config/parse.ts';
import { planChanges } from '../../../src/config/plan.ts';
import { lossesOf, refuseLosses } from '../../../src/control/losses.ts';
import { idOf } from '../../support/routing.ts';

const full = `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
  - {name: osaka,     mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, osaka]
    links:
      - {between: [tokyo, frankfurt]}
      - {between: [osaka, tokyo]}
    topics:
      - {name: trade, groups: [{name: risk, terminals: [frankfurt]}, {name: audit, terminals: [osaka]}]}
      - {name: local, scope: lan, groups: [{name: desk, terminals: [tokyo]}]}
  - name: globex
    terminals: [tokyo]
    topics: [{name: trade, groups: [{name: risk, terminals: [tokyo]}]}]
`;
const without = {
  trade: full.replace(/ {6}- \{name: trade.*\n/, ''),
  audit: full.replace(', {name: audit, terminals: [osaka]}', ''),
  desk: full.replace('{name: desk, terminals: [tokyo]}', ''),
  osaka: full
    .replace(/ {2}- \{name: osaka.*\n/, '')
    .replace(', osaka]', ']')
    .replace(/ {6}- \{between: \[osaka.*\n/, '')
    .replace(', {name: audit, terminals: [osaka]}', ''),
};

const named = [
  'acme/trade',
  'acme/local',
  'globex/trade',
  'acme/trade@risk',
  'acme/trade@audit',
  'acme/local@desk',
  'globex/trade@risk',
];
const names = Object.fromEntries(named.map((name) => [uuid(name), name]));

function uuid(name: string): string {
  return idOf(`${named.indexOf(name)}`)
    .replace(/^(.{14})./, '$14')
    .replace(/^(.{19})./, '$18');
}

interface Row {
  topics?: Record<string, number>;
  groups?: Record<string, [outgoing: number, pending: number, unacked: number]>;
}

function report({ topics = {}, groups = {} }: Row): SiteReport {
  return siteReportSchema.parse({
    ...{ applied: 1, sidecarVersion: '', serverVersion: '', linkCredentials: [], links: [], apps: [], problems: [] },
    topics: Object.entries(topics).map(([name, messages]) => ({
      ...{ topicId: uuid(name), messages, bytes: 0, maxBytes: 0, isReady: true },
    })),
    groups: Object.entries(groups).map(([name, [outgoing, pending, unacked]]) => ({
      ...{ topicId: uuid(name.split('@')[0] ?? ''), groupId: uuid(name), outgoing, pending, unacked },
      ...{ assigned: null, reason: '' },
    })),
  });
}

const reporters = [
  {
    site: 'tokyo',
    ageMs: 2_000,
    report: report({
      topics: { 'acme/trade': 70, 'acme/local': 5, 'globex/trade': 1 },
      groups: {
        'acme/trade@risk': [40, 0, 0],
        'acme/trade@audit': [70, 0, 0],
        'acme/local@desk': [0, 4, 1],
        'globex/trade@risk': [0, 9, 0],
      },
    }),
  },
  { site: 'frankfurt', ageMs: 2_000, report: report({ groups: { 'acme/trade@risk': [0, 10, 3] } }) },
  { site: 'osaka', ageMs: 240_000, report: report({ groups: { 'acme/trade@audit': [0, 2, 0] } }) },
];

function losses(desired: string, heard = reporters): Loss[] {
  const [before, after] = [full, desired].map((text) => parseBusFile(text, 'bus.yaml')) as [never, never];
  return lossesOf(planChanges(before, after), before, heard, names);
}

test('a topic takes what was captured and what its groups hold, at every site, and no other customer’s', () => {
  expect(losses(without.trade)).toEqual([
    { site: 'tokyo', name: 'acme/trade', messages: 70, reportAgeMs: 2_000 },
    { site: 'frankfurt', name: 'acme/trade', messages: 13, reportAgeMs: 2_000 },
    { site: 'osaka', name: 'acme/trade', messages: 2, reportAgeMs: 240_000 },
  ]);
});

test('a group takes what is still to be sent to it; its stream stays. One in a LAN takes what it waits for', () => {
  expect(losses(without.audit)).toEqual([
    { site: 'tokyo', name: 'acme/trade@audit', messages: 70, reportAgeMs: 2_000 },
    { site: 'osaka', name: 'acme/trade@audit', messages: 0, reportAgeMs: 240_000 },
  ]);
  expect(losses(without.desk, reporters.slice(0, 2))).toEqual([
    { site: 'tokyo', name: 'acme/local@desk', messages: 5, reportAgeMs: 2_000 },
  ]);
});

test('a terminal takes what is at its site, and a silent site is named although it held nothing', () => {
  const [tokyo, frankfurt, osaka] = reporters as [never, never, (typeof reporters)[number]];
  const fresh = { ...osaka, ageMs: 100 };
  expect(losses(without.osaka, [frankfurt, fresh])).toEqual([
    { site: 'osaka', name: 'acme/trade', messages: 2, reportAgeMs: 100 },
  ]);
  const silent = losses(without.osaka, [tokyo, { ...osaka, report: report({}) }]);
  expect(silent.filter(({ site }) => site === 'osaka')).toEqual([
    { site: 'osaka', name: 'acme/trade', messages: 0, reportAgeMs: 240_000 },
    { site: 'osaka', name: 'acme/local', messages: 0, reportAgeMs: 240_000 },
  ]);
});

test('a site that joined and never reported is not known; one that never joined holds nothing', () => {
  const heard = [{ site: 'frankfurt', report: null, ageMs: null }] as never;
  expect(losses(without.trade, heard)).toEqual([
    { site: 'frankfurt', name: 'acme', messages: null, reportAgeMs: null },
  ]);
  expect(losses(without.trade, [])).toEqual([]);
});

test('nothing is taken by what only adds or changes', () => {
  expect(losses(full.replace('terminals: [osaka]', 'terminals: [osaka, tokyo]'))).toEqual([]);
  expect(() => refuseLosses([])).not.toThrow();
});

test('the refusal has a line per place, and says how old what it knows is', () => {
  const found = losses(without.trade);
  expect(() => refuseLosses(found)).toThrow(
    /would delete what waits:\n {2}70 messages of acme\/trade at tokyo\n {2}13 .*\n {2}2 messages .* 240 s ago; .* not known$/,
  );
  expect(lossText({ site: 'x', name: 'acme', messages: null, reportAgeMs: null })).toContain('never reported');
});
