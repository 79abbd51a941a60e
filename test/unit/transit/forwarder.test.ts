import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { decodeFrame, flowKey } from '../../../src/envelope/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { Forwarder } from '../../../src/transit/forwarder.ts';
import type { TransitEntry } from '../../../src/transit/transit-entry.ts';
import { fixedUuid } from '../../support/envelopes.ts';
import { eventually } from '../../support/nats-server.ts';
import { HandLink, HandRoutes, passageOf, self } from '../../support/transit.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

interface Kit {
  forwarder: Forwarder;
  routes: HandRoutes;
  links: Map<string, HandLink>;
  done: TransitEntry[];
  released: string[];
}

function kitOf(linkIds: string[], options: { fill?: number; stalledAfterMs?: number; gone?: string } = {}): Kit {
  const routes = new HandRoutes();
  const links = new Map(linkIds.map((id) => [id, new HandLink()]));
  const done: TransitEntry[] = [];
  const released: string[] = [];
  const forwarder = new Forwarder({
    terminalId: self,
    routes,
    format: () => 1,
    links,
    read: async () => null,
    onDone: (entry) => done.push(entry),
    onForwarded: () => undefined,
    onReleased: (_entry, _terminalId, reason) => released.push(reason),
    fill: () => options.fill ?? 0,
    isTerminal: (id) => id !== fixedUuid(options.gone ?? ''),
    clock: systemClock,
    log: silentLogger,
    ...(options.stalledAfterMs === undefined ? {} : { stalledAfterMs: options.stalledAfterMs }),
  });
  stops.push(() => forwarder.stop());
  return { forwarder, routes, links, done, released };
}

let order = 0;

function entryOf(topic: string, seq: number, terminals: string[], bytes = 2_000): TransitEntry {
  const { bytes: frame, manifest, path, shun } = passageOf(topic, [seq, seq], terminals, { bytes });
  const { flow, first, last, assignments } = manifest;
  const left = new Map(terminals.map((name) => [fixedUuid(name), { isSending: false, isQueued: false }]));
  return {
    seq: null,
    bytes: frame,
    size: frame.length,
    flow: flowKey(flow),
    index: { ...flow, first, last, path: [...path], shun: [...shun], assignments },
    path: [...path, self],
    order: order++,
    left,
    isSplit: false,
    refusals: 0,
    failures: 0,
    isWithdrawn: false,
  };
}

function destinationsOf({ sent }: HandLink): string[][] {
  return sent.map(({ frame }) => decodeFrame(frame).destinations);
}

test('a frame goes once over a link for all behind it, with this terminal on its path', async () => {
  const { forwarder, routes, links, done } = kitOf(['east', 'west']);
  routes.set(fixedUuid('x'), 'east');
  routes.set(fixedUuid('y'), 'east');
  routes.set(fixedUuid('z'), 'west');
  forwarder.enqueue(entryOf('trade', 1, ['x', 'y', 'z']));
  await eventually('all sent', () => done.length === 1);
  expect(destinationsOf(links.get('east')!)).toEqual([[fixedUuid('x'), fixedUuid('y')].sort()]);
  expect(destinationsOf(links.get('west')!)).toEqual([[fixedUuid('z')]]);
  const frame = decodeFrame(links.get('west')!.sent[0]!.frame);
  expect([frame.path.at(-1), frame.hopLimit]).toEqual([self, 15]);
});

test('without a next hop it waits, and goes when there is one', async () => {
  const { forwarder, routes, links, done } = kitOf(['east']);
  forwarder.enqueue(entryOf('trade', 1, ['x']));
  expect(forwarder.waiting).toBe(1);
  routes.set(fixedUuid('x'), 'east');
  await eventually('sent', () => done.length === 1);
  expect(links.get('east')!.sent).toHaveLength(1);
});

test('a long backlog of one flow does not delay another', async () => {
  const { forwarder, routes, links } = kitOf(['east']);
  const east = links.get('east')!;
  east.isHeld = true;
  routes.set(fixedUuid('x'), 'east');
  for (let seq = 1; seq <= 200; seq++) forwarder.enqueue(entryOf('long', seq, ['x'], 200_000));
  forwarder.enqueue(entryOf('short', 1, ['x'], 200_000));
  await eventually('some are under way', () => east.sent.length > 0);
  expect(east.sent.length).toBeLessThan(20);
  east.letGo();
  await eventually('the short one', () => east.sent.some(({ lane }) => lane.includes(fixedUuid('short'))));
  const at = east.sent.findIndex(({ lane }) => lane.includes(fixedUuid('short')));
  expect(at).toBeLessThan(20);
});

test('after a busy answer each destination goes for itself, in order', async () => {
  const { forwarder, routes, links, done } = kitOf(['east']);
  const east = links.get('east')!;
  east.answers = ['E_PEER_BUSY'];
  routes.set(fixedUuid('x'), 'east');
  routes.set(fixedUuid('y'), 'east');
  forwarder.enqueue(entryOf('trade', 1, ['x', 'y']));
  await eventually('both', () => done.length === 1);
  expect(destinationsOf(east).map((ids) => ids.length)).toEqual([2, 1, 1]);
});

test('what was under way on a dead link goes another way, before what came later', async () => {
  const { forwarder, routes, links, done } = kitOf(['east', 'west']);
  links.get('east')!.answers = ['E_LINK_DOWN', 'E_LINK_DOWN'];
  links.get('east')!.isHeld = true;
  routes.set(fixedUuid('x'), 'east');
  const entries = [1, 2].map((seq) => entryOf('trade', seq, ['x']));
  for (const entry of entries) forwarder.enqueue(entry);
  await eventually('under way', () => links.get('east')!.sent.length === 2);
  routes.set(fixedUuid('x'), null);
  links.get('east')!.letGo();
  const later = entryOf('trade', 3, ['x']);
  forwarder.enqueue(later);
  routes.set(fixedUuid('x'), 'west');
  await eventually('all', () => done.length === 3);
  const [first, second] = entries;
  expect(done.indexOf(first!)).toBeLessThan(done.indexOf(second!));
});

test('a frame refused three times is released, and the next one goes', async () => {
  const { forwarder, routes, links, done, released } = kitOf(['east']);
  links.get('east')!.answers = ['E_PEER_REFUSED', 'E_PEER_REFUSED', 'E_PEER_REFUSED'];
  routes.set(fixedUuid('x'), 'east');
  forwarder.enqueue(entryOf('trade', 1, ['x']));
  await eventually('released', () => released.length === 1);
  forwarder.enqueue(entryOf('trade', 2, ['x']));
  await eventually('the next', () => done.length === 2);
});

test('what the next hop does not read is released at once: the origin writes it anew', async () => {
  const { forwarder, routes, links, done, released } = kitOf(['east']);
  links.get('east')!.answers = ['E_VERSION_APART'];
  routes.set(fixedUuid('x'), 'east');
  forwarder.enqueue(entryOf('trade', 1, ['x']));
  await eventually('released', () => released.length === 1 && done.length === 1);
  expect(links.get('east')!.answers).toEqual([]);
});

test('what stalls in a full cache is released, in one with room it is not', async () => {
  for (const [fill, count] of [
    [0.9, 1],
    [0.5, 0],
  ] as const) {
    const { forwarder, routes, links, released } = kitOf(['east'], { fill, stalledAfterMs: 1 });
    links.get('east')!.answers = Array.from({ length: 50 }, () => 'E_PEER_BUSY' as const);
    routes.set(fixedUuid('x'), 'east');
    forwarder.enqueue(entryOf('trade', 1, ['x']));
    await eventually('busy twice', () => links.get('east')!.sent.length >= 2);
    forwarder.sweep();
    expect(released).toHaveLength(count);
  }
});

test('what could only go back is released in time, so its origin sends it another way', async () => {
  const { forwarder, routes, released } = kitOf(['east'], { stalledAfterMs: 1 });
  routes.set(fixedUuid('x'), 'east');
  const entry = entryOf('trade', 1, ['x']);
  entry.path = [...entry.path, fixedUuid('end of east')];
  forwarder.enqueue(entry);
  await eventually('released', () => {
    forwarder.sweep();
    return released.length === 1;
  });
});

test('what is for a terminal that is not configured any more is given up', () => {
  const { forwarder, released } = kitOf(['east'], { gone: 'x' });
  for (let seq = 1; seq <= 3; seq++) forwarder.enqueue(entryOf('trade', seq, ['x']));
  forwarder.enqueue(entryOf('trade', 1, ['y']));
  forwarder.sweep();
  expect(released).toHaveLength(3);
  expect(forwarder.waiting).toBe(1);
});
