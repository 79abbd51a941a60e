import { expect, test } from 'vitest';
import { parseBusFile } from '../../../src/config/parse.ts';
import { declaredLinks, linkName, localBusFile } from '../../../src/lab/rewrite.ts';

const file = parseBusFile(
  `
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422", websocket: "fra.example.net:443"}
  - {name: virginia,  mode: client}
customers:
  - name: acme
    terminals: [tokyo, frankfurt, virginia]
    links:
      - {between: [tokyo, frankfurt], cost: 3}
      - {between: [virginia, frankfurt], transport: ws}
`,
  'bus.yaml',
);

test('the end that accepts a link is the server of a client, and of two servers the one that sorts last', () => {
  expect(declaredLinks(file)).toEqual([
    { name: 'link/acme/frankfurt/tokyo', customer: 'acme', accepting: 'tokyo', listener: 'leaf' },
    { name: 'link/acme/frankfurt/virginia', customer: 'acme', accepting: 'frankfurt', listener: 'websocket' },
  ]);
});

test('a link has one name from both ends', () => {
  expect(linkName('acme', 'tokyo', 'frankfurt')).toBe(linkName('acme', 'frankfurt', 'tokyo'));
});

test('every address becomes local, every link goes by way of its proxy, and nothing else changes', () => {
  const local = localBusFile(file, {
    sitePorts: new Map([
      ['tokyo', { leaf: 11_001, websocket: 11_011 }],
      ['frankfurt', { leaf: 11_002, websocket: 11_012 }],
      ['virginia', { leaf: 11_003, websocket: 11_013 }],
    ]),
    proxyPorts: new Map([
      ['link/acme/frankfurt/tokyo', 12_001],
      ['link/acme/frankfurt/virginia', 12_002],
    ]),
  });
  expect(local.sites.map((site) => site.address)).toEqual(['127.0.0.1:11001', '127.0.0.1:11002', undefined]);
  expect(local.sites.map((site) => site.websocket)).toEqual([undefined, '127.0.0.1:11012', undefined]);
  expect(local.customers[0]?.links).toEqual([
    { between: ['tokyo', 'frankfurt'], cost: 3, transport: 'tcp', compress: 'auto', via: '127.0.0.1:12001' },
    { between: ['virginia', 'frankfurt'], cost: 1, transport: 'ws', compress: 'auto', via: '127.0.0.1:12002' },
  ]);
  expect(JSON.stringify(local)).not.toContain('example.net');
  expect(file.sites[0]?.address).toBe('tokyo.example.net:7422');
});
