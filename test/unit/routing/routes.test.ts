import { expect, test } from 'vitest';
import type { RoutingRecord } from '../../../src/routing/records.ts';
import { signRecord } from '../../../src/routing/records.ts';
import { downLink, goodLink, groupOf, idOf, RoutingNet } from '../../support/routing.ts';

const mesh = { 'A-B': 100, 'A-C': 50, 'A-D': 1, 'B-C': 1, 'B-D': 20, 'C-D': 1 };

function runningMesh(options: ConstructorParameters<typeof RoutingNet>[1] = {}): RoutingNet {
  const net = new RoutingNet(mesh, options);
  net.allUp();
  return net;
}

test('the best way follows the links as they go, and comes back with them', () => {
  const net = runningMesh();
  expect(net.path('A', 'B')).toBe('ADCB');
  net.down('C-D');
  expect(net.path('A', 'B')).toBe('ADB');
  net.down('B-D');
  expect(net.path('A', 'B')).toBe('ACB');
  net.down('B-C');
  expect(net.path('A', 'B')).toBe('AB');
  net.up('C-D');
  net.up('B-C');
  expect(net.path('A', 'B')).toBe('ADCB');
  expect(net.at('A').path(idOf('B'))).toEqual({ path: ['A', 'D', 'C', 'B'].map(idOf), cost: 3, isWhole: true });
});

test('every terminal of a larger net finds the ways by its costs', () => {
  const net = new RoutingNet({
    ...{ 'R2-R3': 4, 'R3-R4': 4, 'R1-R3': 3, 'R4-R5': 5, 'R1-R2': 20, 'R1-R5': 10, 'R5-R6': 2, 'R6-R7': 1 },
  });
  net.allUp();
  const costs = ['R2', 'R4', 'R5', 'R6', 'R7'].map((to) => net.at('R1').path(idOf(to))?.cost);
  expect(costs).toEqual([7, 7, 10, 12, 13]);
  expect(net.at('R1').nextHop(idOf('R2'))).toEqual({
    linkId: idOf('link R1-R3'),
    terminalId: idOf('R3'),
    isWhole: true,
  });
});

test('with a first hop up a path is used although the rest is down, and without one there is none', () => {
  const net = new RoutingNet({ 'N1-N2': 1, 'N2-N3': 1 });
  net.up('N1-N2');
  expect(net.path('N1', 'N3')).toBe('N1N2N3?');
  expect(net.at('N1').isReachable(idOf('N3'))).toBe(true);
  expect(net.at('N2').nextHop(idOf('N3'))).toBeNull();
  net.down('N1-N2');
  net.up('N2-N3');
  expect(net.at('N1').nextHop(idOf('N3'))).toBeNull();
  expect(net.at('N2').nextHop(idOf('N3'))?.isWhole).toBe(true);
});

test('nothing goes back to a terminal it came through', () => {
  const net = runningMesh();
  expect(net.at('D').nextHop(idOf('B'), [idOf('A')])?.terminalId).toBe(idOf('C'));
  expect(net.at('D').nextHop(idOf('B'), [idOf('A'), idOf('C')])?.terminalId).toBe(idOf('B'));
  expect(net.at('D').nextHop(idOf('B'), [idOf('B')])).toBeNull();
});

test('a client-mode terminal is on nobody else’s way, unless it may', () => {
  const line = { 'A-B': 1, 'B-C': 1, 'A-D': 9, 'C-D': 9 };
  const strict = new RoutingNet(line, { clients: ['B'] });
  strict.allUp();
  expect(strict.path('A', 'C')).toBe('ADC');
  const willing = new RoutingNet(line, { clients: ['B'], transit: ['B'] });
  willing.allUp();
  expect(willing.path('A', 'C')).toBe('ABC');
});

test('a link counts only while both ends say so', () => {
  const net = runningMesh();
  net.at('C').linkChanged(idOf('link C-D'), downLink);
  net.settle();
  expect(net.path('A', 'B')).toBe('ADB');
  expect(net.path('D', 'B')).toBe('DB');
});

test('the dearer word of two counts, never less than the operator’s cost, never much more', () => {
  const net = runningMesh();
  net.clock.nowMs += 5_000;
  net.at('C').linkChanged(idOf('link C-D'), { ...goodLink, rttMs: 1_000_000, lossRatio: 1, backlogMs: 1_000_000 });
  net.settle();
  const cost = net.at('A').path(idOf('C'))?.cost ?? 0;
  expect(cost).toBeGreaterThan(5);
  expect(cost).toBeLessThanOrEqual(7);
});

test('round trips add up along the path', () => {
  const net = new RoutingNet({ 'A-B': 1, 'B-C': 1 });
  net.up('A-B', { ...goodLink, rttMs: 20 });
  net.up('B-C', { ...goodLink, rttMs: 30 });
  expect(net.at('A').rttOver(net.at('A').path(idOf('C'))?.path ?? [])).toBe(50);
});

test('parts of a divided net go on, and when it heals all know all again', () => {
  const net = runningMesh();
  for (const ends of ['A-B', 'A-C', 'A-D', 'B-D']) net.down(ends);
  expect(net.path('A', 'B')).toBe(null);
  expect(net.path('D', 'B')).toBe('DCB');
  net.down('B-C');
  net.pass(2_000);
  net.up('A-D');
  expect(net.path('A', 'C')).toBe('ADC');
  expect(net.path('A', 'B')).toBe('ADCB?');
  net.up('B-C');
  expect(net.path('A', 'B')).toBe('ADCB');
  expect(net.path('B', 'A')).toBe('BCDA');
});

test('a terminal that starts anew supersedes its old record, from its stored number or from what it hears', () => {
  for (const first of [undefined, 1_000]) {
    const net = runningMesh();
    for (let round = 0; round < 3; round++) {
      net.down('C-D');
      net.up('C-D');
      net.pass(2_000);
    }
    net.start('D', first === undefined ? undefined : { first, reserve: () => undefined });
    net.at('C').linkChanged(idOf('link C-D'), downLink);
    for (const ends of ['A-D', 'B-D']) net.up(ends);
    net.pass(1_000);
    expect(net.path('A', 'B')).toBe('ADB');
    expect(net.path('B', 'A')).toBe('BDA');
    net.up('C-D');
    expect(net.path('A', 'B')).toBe('ADCB');
  }
});

test('what is not refreshed is forgotten, and what is refreshed is not', () => {
  const net = runningMesh();
  net.pass(400_000);
  expect(net.path('A', 'B')).toBe('ADCB');
  net.takeSent();
  net.pass(60_000);
  expect(net.takeSent()).toBeLessThan(100);
  for (const ends of ['A-D', 'B-D', 'C-D']) net.down(ends);
  expect(
    net
      .at('A')
      .table()
      .find(({ terminalId }) => terminalId === idOf('D'))?.recordAgeMs,
  ).not.toBeNull();
  net.pass(301_000);
  expect(
    net
      .at('A')
      .table()
      .find(({ terminalId }) => terminalId === idOf('D')),
  ).toMatchObject({
    recordAgeMs: null,
    isWhole: false,
  });
});

test('listeners hear of changes once, and not of refreshed records that say the same', () => {
  const net = runningMesh();
  let heard = 0;
  const cancel = net.at('A').onChange(() => {
    heard += 1;
  });
  net.pass(180_000);
  expect(heard).toBe(0);
  net.down('C-D');
  expect(heard).toBeGreaterThan(0);
  const before = heard;
  cancel();
  net.up('C-D');
  expect(heard).toBe(before);
});

test('a link whose measurements swing a little is not told again', () => {
  const net = runningMesh();
  net.pass(10_000);
  net.takeSent();
  for (let second = 0; second < 30; second++) {
    net.clock.nowMs += 1_000;
    net.at('A').linkChanged(idOf('link A-D'), { ...goodLink, rttMs: second % 2 === 0 ? 5 : 12 });
    net.settle();
  }
  expect(net.takeSent()).toBe(0);
});

test('costs are told at most every two seconds, however fast they change', () => {
  const net = runningMesh();
  net.pass(10_000);
  const before = net.taken.get('D')!.length;
  for (let step = 0; step < 40; step++) {
    net.clock.nowMs += 100;
    net.at('A').linkChanged(idOf('link A-D'), { ...goodLink, rttMs: step % 2 === 0 ? 0 : 500 });
    net.settle();
  }
  const newer = net.taken
    .get('D')!
    .slice(before)
    .filter(({ outcome }) => outcome === 'newer');
  expect(newer.length).toBeLessThanOrEqual(3);
});

/** E, with a key of its own and one link of cost 10 to each of A and B, says what it likes. */
function netWithLiar(): RoutingNet {
  const net = new RoutingNet({ ...mesh, 'A-E': 10, 'B-E': 10 });
  net.allUp();
  return net;
}

function lie(net: RoutingNet, record: RoutingRecord, signer = 'E'): void {
  const bytes = signRecord(record, net.signerOf(signer));
  for (const site of ['A', 'B']) net.at(site).takeRecord(idOf(`link ${site}-E`), bytes);
  net.settle();
}

function pathsOf(net: RoutingNet): (string | null)[] {
  return ['A', 'B', 'C', 'D'].flatMap((from) => ['A', 'B', 'C', 'D'].map((to) => net.path(from, to)));
}

test('a terminal that invents links and says they cost nothing attracts nothing', () => {
  const net = netWithLiar();
  const before = pathsOf(net);
  const invented = ['A-E', 'B-E', 'A-B', 'C-D', 'E-C', 'E-D'].map((ends) => idOf(`link ${ends}`));
  const links = invented.map((linkId) => ({ linkId, isDegraded: false, extraMilli: 0, rttMs: 0 }));
  lie(net, { kind: 'links', customerId: idOf('customer'), terminalId: idOf('E'), sequence: 5_000, links });
  expect(net.taken.get('C')?.at(-1)?.outcome).not.toBe('refused');
  expect(pathsOf(net)).toEqual(before);
});

test('a terminal that speaks for another stops nothing', () => {
  const net = netWithLiar();
  const before = pathsOf(net);
  lie(net, { kind: 'links', customerId: idOf('customer'), terminalId: idOf('D'), sequence: 9_000, links: [] });
  expect(net.taken.get('A')?.at(-1)).toEqual({ outcome: 'refused', reason: 'signature' });
  expect(pathsOf(net)).toEqual(before);
});

test('a terminal that floods its own records is passed on at the rate of an honest one', () => {
  const net = netWithLiar();
  net.pass(10_000);
  const before = net.taken.get('C')!.length;
  for (let sequence = 10_000; sequence < 11_000; sequence++) {
    lie(net, { kind: 'links', customerId: idOf('customer'), terminalId: idOf('E'), sequence, links: [] });
  }
  const passedOn = net.taken
    .get('C')!
    .slice(before)
    .filter(({ outcome }) => outcome === 'newer');
  expect(passedOn.length).toBeLessThanOrEqual(80);
  expect(net.taken.get('A')?.at(-1)).toEqual({ outcome: 'refused', reason: 'rate' });
  net.down('C-D');
  expect(net.path('A', 'B')).toBe('ADB');
});

test('the load of a group is heard everywhere, and new messages go where consumers are', () => {
  const risk = groupOf('risk', ['C', 'D']);
  const net = new RoutingNet(mesh, { groups: [risk] });
  net.allUp();
  const say = (site: string, consumers: number, isDraining = false): void => {
    net.at(site).announceLoad([{ groupId: risk.id, consumers, waiting: 0, isDraining }]);
    net.settle();
  };
  expect(net.at('A').choose(risk, null)).toBe(idOf('D'));
  say('C', 1);
  say('D', 2);
  expect(net.at('A').loadOf(risk.id, idOf('D'))).toMatchObject({ consumers: 2, waiting: 0, isDraining: false });
  say('D', 0);
  expect(net.at('A').choose(risk, idOf('D'))).toBe(idOf('D'));
  net.pass(5_500);
  expect(net.at('A').choose(risk, idOf('D'))).toBe(idOf('C'));
  say('D', 3);
  expect(net.at('A').choose(risk, idOf('C'))).toBe(idOf('C'));
  net.pass(10_500);
  expect(net.at('A').choose(risk, idOf('C'))).toBe(idOf('D'));
  say('D', 3, true);
  expect(net.at('A').choose(risk, idOf('D'))).toBe(idOf('C'));
});

test('load that changes little is told at most every five seconds', () => {
  const net = new RoutingNet(mesh, { groups: [groupOf('risk', ['C', 'D'])] });
  net.allUp();
  net.pass(10_000);
  const before = net.taken.get('A')!.length;
  for (let step = 0; step < 100; step++) {
    net.clock.nowMs += 100;
    net.at('D').announceLoad([{ groupId: idOf('risk'), consumers: 1, waiting: step, isDraining: false }]);
    net.settle();
  }
  const newer = net.taken
    .get('A')!
    .slice(before)
    .filter(({ outcome }) => outcome === 'newer');
  expect(newer.length).toBeLessThanOrEqual(3);
});

test('a new configuration takes links and terminals out of the paths', () => {
  const net = runningMesh();
  const customer = net.customerAt('A');
  net.at('A').configure({ ...customer, links: customer.links.filter(({ id }) => id !== idOf('link C-D')) });
  net.settle();
  expect(net.path('A', 'B')).toBe('ADB');
  net.at('A').configure({ ...customer, terminals: customer.terminals.filter(({ site }) => site !== 'D') });
  net.settle();
  expect(net.path('A', 'B')).toBe('ACB');
});

test('alternatives share no terminal between the ends', () => {
  const net = runningMesh();
  expect(
    net
      .at('A')
      .alternatives(idOf('B'))
      .map(({ path, cost }) => [path.map((id) => net.siteOf(id)).join(''), cost]),
  ).toEqual([
    ['ADB', 21],
    ['ACB', 51],
    ['AB', 100],
  ]);
});
