import { expect, test } from 'vitest';
import { context } from '../../../src/envelope/index.ts';
import { LinkStateDb, type LinkStateDbOptions } from '../../../src/routing/link-state-db.ts';
import { decodeRecord, isSignedBy, type RoutingRecord, signRecord } from '../../../src/routing/records.ts';
import { customerOf, idOf, VirtualClock } from '../../support/routing.ts';

const { customer, signOf } = customerOf({ 'A-B': 1, 'B-C': 1 });
const customerId = customer.id;
const signKeyOf = (site: string): string => customer.terminals.find((each) => each.site === site)!.signKey!;
const link = (ends: string) => ({ linkId: idOf(`link ${ends}`), isDegraded: false, extraMilli: 20, rttMs: 3 });

function linksOf(site: string, sequence: number, links = [link('B-C')]): RoutingRecord {
  return { kind: 'links', customerId, terminalId: idOf(site), sequence, links };
}

function loadOf(site: string, sequence: number, waiting = 7): RoutingRecord {
  const load = [{ groupId: idOf('risk'), isDraining: true, consumers: 2, waiting }];
  return { kind: 'load', customerId, terminalId: idOf(site), sequence, load };
}

const signed = (record: RoutingRecord, site = 'B'): Buffer => signRecord(record, signOf.get(site)!);

function open(options: Partial<LinkStateDbOptions> = {}): { db: LinkStateDb; clock: VirtualClock } {
  const clock = new VirtualClock();
  const known = new Map(customer.terminals.map(({ id, signKey }) => [id, { signKey: signKey!, links: 2, groups: 1 }]));
  const db = new LinkStateDb({
    customerId,
    selfId: idOf('A'),
    clock,
    configOf: (id) => known.get(id),
    ownRecord: () => undefined,
    ...options,
  });
  return { db, clock };
}

const take = (db: LinkStateDb, bytes: Uint8Array) => db.take('one', bytes);

test('records of both kinds come back as they were signed, and are kept', () => {
  const { db } = open();
  for (const record of [linksOf('B', 4), loadOf('B', 5)]) {
    expect(take(db, signed(record))).toEqual({ outcome: 'newer', record, isNews: true });
    expect(db.get(record.kind, idOf('B'))?.record).toEqual(record);
  }
  expect([...db.all()]).toHaveLength(2);
});

test('a record the database has is known, an older one stale, a newer one that says the same no news', () => {
  const { db } = open();
  take(db, signed(linksOf('B', 4)));
  expect(take(db, signed(linksOf('B', 4)))).toEqual({ outcome: 'known' });
  expect(take(db, signed(linksOf('B', 3)))).toEqual({ outcome: 'refused', reason: 'stale' });
  expect(take(db, signed(linksOf('B', 5)))).toMatchObject({ outcome: 'newer', isNews: false });
  expect(take(db, signed(linksOf('B', 6, [])))).toMatchObject({ outcome: 'newer', isNews: true });
});

test('a terminal cannot speak for another, or under a signature for something else', () => {
  const { db } = open();
  expect(take(db, signed(linksOf('C', 1), 'B'))).toEqual({ outcome: 'refused', reason: 'signature' });
  const record = linksOf('B', 1);
  const { signed: bytes } = decodeRecord(signed(record));
  const foreign = Buffer.concat([bytes, signOf.get('B')!(context.manifest, bytes)]);
  expect(take(db, foreign)).toEqual({ outcome: 'refused', reason: 'signature' });
  expect(db.get('links', idOf('B'))).toBeUndefined();
});

test('every byte is signed: none can be changed, taken away or added', () => {
  const bytes = signed(linksOf('B', 1));
  const { db } = open();
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    // each over a link of its own, so that no rate limit steps in
    expect(db.take(`link ${at}`, changed).outcome).not.toBe('newer');
    expect(db.take(`link ${at}`, bytes.subarray(0, at)).outcome).toBe('refused');
  }
  expect(db.take('long', Buffer.concat([bytes, Buffer.of(0)]))).toEqual({ outcome: 'refused', reason: 'malformed' });
  expect(db.take('good', bytes).outcome).toBe('newer');
});

test('terminals and customers the configuration does not know are refused', () => {
  const { db } = open();
  expect(take(db, signed(linksOf('Z', 1)))).toEqual({ outcome: 'refused', reason: 'unknown-terminal' });
  const other = { ...linksOf('B', 1), customerId: idOf('globex') };
  expect(take(db, signed(other))).toEqual({ outcome: 'refused', reason: 'other-customer' });
  expect(take(db, Buffer.from('rubbish'))).toEqual({ outcome: 'refused', reason: 'malformed' });
});

test('a record with far more entries than the configuration gives its terminal is refused', () => {
  const { db } = open();
  const links = Array.from({ length: 100 }, (_, index) => ({
    ...link('B-C'),
    linkId: idOf(`invented ${index + 100}`),
  }));
  expect(take(db, signed(linksOf('B', 1, links)))).toEqual({ outcome: 'refused', reason: 'inflated' });
  expect(take(db, signed(linksOf('B', 1, links.slice(0, 10)))).outcome).toBe('newer');
});

test('entries that stand twice or out of order are not a record', () => {
  expect(() => signed(linksOf('B', 1, [link('B-C'), link('B-C')]))).toThrow(
    expect.objectContaining({ code: 'E_RECORD_BAD' }),
  );
  expect(() => signed({ ...linksOf('B', 1), sequence: 0 })).toThrow(expect.objectContaining({ code: 'E_RECORD_BAD' }));
});

test('a flood of one terminal over one link is cut off, other links and terminals are heard', () => {
  const { db } = open();
  const outcomes = Array.from({ length: 200 }, (_, index) => take(db, signed(linksOf('B', index + 1))));
  expect(outcomes.filter(({ outcome }) => outcome === 'newer')).toHaveLength(40);
  expect(outcomes.at(-1)).toEqual({ outcome: 'refused', reason: 'rate' });
  expect(take(db, signed(linksOf('C', 1), 'C')).outcome).toBe('newer');
  expect(db.take('two', signed(linksOf('B', 300))).outcome).toBe('newer');
});

test('forgeries cost a neighbour its own say, not the terminal it names', () => {
  const { db } = open();
  for (let index = 0; index < 100; index++) take(db, signed(linksOf('C', index + 1), 'B'));
  expect(take(db, signed(linksOf('C', 500), 'C'))).toEqual({ outcome: 'refused', reason: 'rate' });
  expect(db.take('two', signed(linksOf('C', 500), 'C')).outcome).toBe('newer');
});

test('what was not refreshed does not count, and its like does not come back', () => {
  const { db, clock } = open();
  take(db, signed(linksOf('B', 4)));
  clock.nowMs += 299_000;
  expect(db.expire()).toBe(false);
  clock.nowMs += 2_000;
  expect(db.expire()).toBe(true);
  expect(db.get('links', idOf('B'))).toBeUndefined();
  expect([...db.all()]).toEqual([]);
  expect(take(db, signed(linksOf('B', 3)))).toEqual({ outcome: 'refused', reason: 'stale' });
  expect(Buffer.from(db.newerThan(signed(linksOf('B', 3)))!)).toEqual(signed(linksOf('B', 4)));
  expect(take(db, signed(linksOf('B', 5)))).toMatchObject({ outcome: 'newer', isNews: true });
});

test('a terminal with new keys starts from nothing', () => {
  const signKeys = { B: signKeyOf('B') };
  const { db } = open({ configOf: () => ({ signKey: signKeys.B, links: 2, groups: 1 }) });
  take(db, signed(linksOf('B', 900)));
  signKeys.B = signKeyOf('C');
  expect(take(db, signed(linksOf('B', 1), 'C')).outcome).toBe('newer');
  expect(take(db, signed(linksOf('B', 901))).outcome).toBe('refused');
});

test('this terminal’s own records: old ones are known, a later one comes from an earlier life', () => {
  const bytes = signed(linksOf('A', 10), 'A');
  const { db } = open({ ownRecord: (kind) => (kind === 'links' ? { sequence: 10, bytes } : undefined) });
  expect(take(db, bytes)).toEqual({ outcome: 'known' });
  expect(take(db, signed(linksOf('A', 9), 'A'))).toEqual({ outcome: 'known' });
  expect(take(db, signed(linksOf('A', 10, []), 'A'))).toMatchObject({ outcome: 'own', record: { sequence: 10 } });
  expect(take(db, signed(linksOf('A', 11), 'A'))).toMatchObject({ outcome: 'own', record: { sequence: 11 } });
  expect(take(db, signed(linksOf('A', 12), 'B'))).toEqual({ outcome: 'refused', reason: 'signature' });
  expect([...db.all()]).toEqual([]);
});

test('the tables hold no more than the configuration names', () => {
  const known = new Set(['B', 'C'].map(idOf));
  const { db } = open({
    configOf: (id) =>
      known.has(id) ? { signKey: signKeyOf(id === idOf('B') ? 'B' : 'C'), links: 2, groups: 1 } : undefined,
  });
  take(db, signed(linksOf('B', 1)));
  take(db, signed(linksOf('C', 1), 'C'));
  known.delete(idOf('C'));
  expect(db.expire()).toBe(true);
  expect([...db.all()].map(({ record }) => record.terminalId)).toEqual([idOf('B')]);
});

test('a signature is checked under the key of the terminal alone', () => {
  const decoded = decodeRecord(signed(loadOf('B', 1)));
  expect(isSignedBy(decoded, signKeyOf('B'))).toBe(true);
  expect(isSignedBy(decoded, signKeyOf('C'))).toBe(false);
});
