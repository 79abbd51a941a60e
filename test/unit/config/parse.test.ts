import { expect, test } from 'vitest';
import { parseBusFile } from '../../../src/config/parse.ts';
import type { ReportedProblem } from '../../../src/config/problem.ts';
import { isBusError } from '../../../src/errors.ts';
import { exampleBus } from '../../support/bus-file.ts';

/** The problems of a file, `line: path: text`. */
function problemsOf(text: string): string[] {
  try {
    parseBusFile(text, 'bus.yaml');
  } catch (error) {
    if (!isBusError(error, 'E_CONFIG')) throw error;
    const problems = (error.details.problems ?? []) as ReportedProblem[];
    return problems.map(({ line, path, text: problem }) => `${line}: ${path}: ${problem}`);
  }
  return [];
}

/** The example with one piece of text changed. */
function changed(from: string, to: string): string {
  if (!exampleBus.includes(from)) throw new TypeError(`the example has no ${from}`);
  return exampleBus.replace(from, to);
}

test('takes the example of the design and fills in defaults', () => {
  const bus = parseBusFile(exampleBus, 'bus.yaml');
  expect(bus.sites.map(({ name, mode }) => `${name} ${mode}`)).toEqual([
    'tokyo server',
    'frankfurt server',
    'virginia client',
  ]);
  expect(bus.sites[0]?.maxPayload).toBe(1024 * 1024);
  expect(bus.customers[0]?.links[1]).toEqual({
    between: ['virginia', 'frankfurt'],
    cost: 1,
    transport: 'tcp',
    compress: 'auto',
  });
  expect(bus.customers[0]?.topics[0]?.groups[1]?.policy).toBe('ordered');
});

// Line numbers count in exampleBus of test/support/bus-file.ts.
const cases: [name: string, text: string, problems: string[]][] = [
  ['an unknown key', changed('cost: 1', 'cots: 1'), ['9: customers[0].links[0].cots: unknown key "cots"']],
  [
    'a wrong type',
    changed('cost: 1', 'cost: cheap'),
    ['9: customers[0].links[0].cost: must be a number (got "cheap")'],
  ],
  [
    'a number out of bounds',
    changed('cost: 1', 'cost: 0'),
    ['9: customers[0].links[0].cost: must be at least 1 (got 0)'],
  ],
  [
    'a time that no server can count',
    changed('[frankfurt]}', '[frankfurt], ackWaitMs: 9007199254740991}'),
    ['14: customers[0].topics[0].groups[0].ackWaitMs: must be at most 3153600000000 (got 9007199254740991)'],
  ],
  [
    'counts that no column keeps, or that mean nothing',
    changed('[frankfurt]}', '[frankfurt], maxAckPending: 2147483648, maxDeliver: 0}'),
    [
      '14: customers[0].topics[0].groups[0].maxDeliver: must be 1 or more, or -1 (got 0)',
      '14: customers[0].topics[0].groups[0].maxAckPending: must be at most 2147483647 (got 2147483648)',
    ],
  ],
  ['a second document', `${exampleBus}---\n${exampleBus}`, ['19: (document): a second document: a bus is one']],
  ['a fraction', changed('cost: 1', 'cost: 1.5'), ['9: customers[0].links[0].cost: must be a whole number (got 1.5)']],
  [
    'a word that is no choice',
    changed('mode: client', 'mode: guest'),
    ['4: sites[2].mode: must be one of server, client (got "guest")'],
  ],
  ['a missing field', changed(',  mode: client', ''), ['4: sites[2].mode: is missing']],
  [
    'a server site without an address',
    changed(', address: "fra.example.net:7422"', ''),
    ['3: sites[1]: site "frankfurt" has mode server and no address: other sites cannot dial it'],
  ],
  [
    'a client site with an address',
    changed('mode: client', 'mode: client, address: "v.example.net:1"'),
    ['4: sites[2].address: site "virginia" has mode client, which takes no address: it only dials out'],
  ],
  [
    'a port no socket has',
    changed('fra.example.net:7422', 'fra.example.net:70000'),
    ['3: sites[1].address: the port must be 1 to 65535 (got "fra.example.net:70000")'],
  ],
  [
    'a site twice',
    changed('name: frankfurt, mode', 'name: tokyo, mode'),
    ['3: sites[1].name: site "tokyo" is there twice', '7: customers[0].terminals[1]: there is no site "frankfurt"'],
  ],
  [
    'a terminal at no site',
    changed('terminals: [tokyo, frankfurt, virginia]', 'terminals: [tokyo, frankfurt, virginia, mars]'),
    ['7: customers[0].terminals[3]: there is no site "mars"'],
  ],
  [
    'a terminal twice',
    changed('terminals: [tokyo, frankfurt, virginia]', 'terminals: [tokyo, frankfurt, virginia, tokyo]'),
    ['7: customers[0].terminals[3]: terminal "tokyo" is there twice'],
  ],
  [
    'a link with no terminal at one end',
    changed('[tokyo, frankfurt], cost: 1', '[tokyo, mars], cost: 1'),
    ['9: customers[0].links[0].between[1]: customer "acme" has no terminal "mars"'],
  ],
  [
    'a link to itself',
    changed('[tokyo, frankfurt], cost: 1', '[tokyo, tokyo], cost: 1'),
    ['9: customers[0].links[0].between: a link from "tokyo" to itself'],
  ],
  [
    'a link over WebSocket to a site that takes none',
    changed('{between: [virginia, frankfurt]}', '{between: [virginia, frankfurt], transport: ws}'),
    [
      '10: customers[0].links[1].transport: "frankfurt" has no websocket address to dial: give it one, or the link a via',
    ],
  ],
  [
    'a client site that takes links over WebSocket',
    changed('mode: client', 'mode: client, websocket: "v.example.net:443"'),
    ['4: sites[2].websocket: site "virginia" has mode client, which takes no links over WebSocket either'],
  ],
  [
    'TLS with a certificate of the bus and one of the operator at once',
    changed('mode: client', 'mode: client, tls: {names: [v.example.net], cert: /etc/v.crt, key: /etc/v.key}'),
    ['4: sites[2].tls: takes either names (a certificate of the bus) or cert and key (and ca) of your own'],
  ],
  [
    'TLS without a key',
    changed('mode: client', 'mode: client, tls: {cert: v.crt}'),
    [
      '4: sites[2].tls.cert: use an absolute path (got "v.crt")',
      '4: sites[2].tls: takes either names (a certificate of the bus) or cert and key (and ca) of your own',
    ],
  ],
  [
    'a link twice, the other way round',
    changed('{between: [tokyo, frankfurt], cost: 1}', '{between: [frankfurt, virginia]}'),
    ['10: customers[0].links[1].between: the link between "frankfurt and virginia" is there twice'],
  ],
  [
    'two client sites linked to each other',
    changed('mode: server, address: "fra.example.net:7422"', 'mode: client'),
    ['10: customers[0].links[1].between: "virginia" and "frankfurt" are both client sites: neither can dial the other'],
  ],
  [
    'a client site with no link',
    changed('      - {between: [virginia, frankfurt]}\n', ''),
    ['7: customers[0].terminals[2]: client site "virginia" has no link: nothing reaches it or leaves it'],
  ],
  [
    'a group with no terminal',
    changed('terminals: [frankfurt]}', 'terminals: []}'),
    [
      '14: customers[0].topics[0].groups[0].terminals: needs at least 1 entry (got a list of 0)',
      '18: customers[0].apps[1].consume[0]: group "trade@risk" has no terminal at "frankfurt", where the app is',
    ],
  ],
  [
    'a group at a terminal the customer lacks',
    changed('[virginia, frankfurt], policy', '[virginia, mars], policy'),
    ['15: customers[0].topics[0].groups[1].terminals[1]: customer "acme" has no terminal "mars"'],
  ],
  [
    'a group twice',
    changed('name: archive', 'name: risk'),
    ['15: customers[0].topics[0].groups[1].name: group "risk" is there twice'],
  ],
  [
    'an app where the customer has no terminal',
    changed('terminal: tokyo', 'terminal: mars'),
    ['17: customers[0].apps[0].terminal: customer "acme" has no terminal "mars"'],
  ],
  [
    'an app that publishes an unknown topic',
    changed('publish: [trade]', 'publish: [trades]'),
    ['17: customers[0].apps[0].publish[0]: customer "acme" has no topic "trades"'],
  ],
  [
    'an app that consumes an unknown group',
    changed('[trade@risk]', '[trade@risc, bonds@risk, trade]'),
    [
      '18: customers[0].apps[1].consume[0]: topic "trade" has no group "risc"',
      '18: customers[0].apps[1].consume[1]: customer "acme" has no topic "bonds"',
      '18: customers[0].apps[1].consume[2]: use topic@group (got "trade")',
    ],
  ],
  [
    'an app away from the terminals of its group',
    changed('terminal: frankfurt, consume', 'terminal: tokyo, consume'),
    ['18: customers[0].apps[1].consume[0]: group "trade@risk" has no terminal at "tokyo", where the app is'],
  ],
  [
    'an app publishing where no group of a lan topic is',
    changed('- name: trade\n', '- name: trade\n        scope: lan\n'),
    [
      '18: customers[0].apps[0].publish[0]: topic "trade" has scope lan and no group at "tokyo": what is published there reaches nobody',
    ],
  ],
  [
    'an app twice',
    changed('name: risk-engine', 'name: exchange'),
    ['18: customers[0].apps[1].name: app "exchange" is there twice'],
  ],
  ['a key twice', changed('mode: client', 'mode: client, mode: client'), ['4: mode: key "mode" is there twice']],
  ['something that is no map', 'sites', ['1: (document): must be a map (got "sites")']],
  ['an empty file', '', ['1: (document): must be a map (got null)']],
];

test.each(cases)('tells the line of %s', (_, text, problems) => {
  expect(problemsOf(text)).toEqual(problems);
});

test('tells all problems at once, wrong types and dangling names together, in the order of the file', () => {
  const text = exampleBus
    .replace('mode: client', 'mode: guest')
    .replace('cost: 1', 'cost: -1, color: red')
    .replace('publish: [trade]', 'publish: [bonds]');
  expect(problemsOf(text).map((problem) => problem.split(':')[0])).toEqual(['4', '9', '9', '17']);
});

test('names the file, the line and the way out in the message', () => {
  expect(() => parseBusFile('sites: {a: 1}', 'my bus.yaml')).toThrow(
    /^1 problem\nmy bus.yaml:1: sites: must be a list/,
  );
});

test('tells where YAML itself is broken', () => {
  expect(problemsOf('sites:\n  - {name: a\ncustomers: []\n')[0]).toMatch(/^[23]: \(document\): not valid YAML/);
});

test('follows an alias to the line of the value', () => {
  const text = 'sites:\n  - &a {name: tokyo, mode: serverr}\ncustomers: []\n';
  expect(problemsOf(text)).toEqual(['2: sites[0].mode: must be one of server, client (got "serverr")']);
});

test.each([
  [
    'aliases that multiply',
    `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'.replace(/./g, (c) => `${c}: &${c} [${Array(10).fill(`*${String.fromCharCode(c.charCodeAt(0) - 1)}`)}]\n`)}`,
  ],
  ['a file that is too large', `# ${'x'.repeat(2 * 1024 * 1024)}`],
  ['brackets without end', '['.repeat(100_000)],
])('refuses %s quickly', (_, text) => {
  const start = performance.now();
  expect(() => parseBusFile(text, 'bomb.yaml')).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
  expect(performance.now() - start).toBeLessThan(20_000);
});

test('a map of very many keys is no trap', () => {
  const keys = Array.from({ length: 10_000 }, (_, index) => `k${index}: 1`).join('\n');
  expect(() => parseBusFile(keys, 'wide.yaml')).toThrow(/10001 problems[\s\S]*… and 9801 more/);
});

// T8: a hostile name is told by name, printable, and reaches nothing.
const hostileNames = [
  'a.>',
  '*',
  'a..b',
  '$SYS.x',
  'x\r\nPUB a 1\r\n1',
  'nul\0',
  'right\u202eleft',
  'x'.repeat(10_000),
  '../x',
  "'; drop table sites",
  '_mb',
  'mbus',
  '',
  ' ',
];

test.each(hostileNames.map((name) => [name.slice(0, 20), name]))('refuses %j as any name', (_, name) => {
  const quoted = JSON.stringify(name).replace('\u202e', '\\u202e');
  const places = [
    changed('name: tokyo,', `name: ${quoted},`),
    changed('name: acme', `name: ${quoted}`),
    changed('name: trade', `name: ${quoted}`),
    changed('name: archive', `name: ${quoted}`),
    changed('name: exchange', `name: ${quoted}`),
    changed('terminals: [tokyo, frankfurt', `terminals: [${quoted}, frankfurt`),
    changed('publish: [trade]', `publish: [${quoted}]`),
    changed('trade@risk', `trade@risk, ${quoted}`).replace(`consume: [trade@risk, ${quoted}]`, `consume: [${quoted}]`),
  ];
  for (const text of places) {
    const problems = problemsOf(text);
    expect(problems).not.toEqual([]);
    expect(problems.join('\n')).not.toMatch(/[\r\0\u202e]|x{100}/);
  }
});
