import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isClean, judge, type Verdict } from '../../../campaign/judge.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-judge-'));
});
afterEach(() => rm(dir, { recursive: true }));

const publishers = [{ name: 'acme.tokyo.trade', customer: 'acme', site: 'tokyo', topic: 'trade', app: '' }];
const consumer = (site: string, group: string) => ({ customer: 'acme', site, group, app: '', count: 1 });
/** risk has one terminal, desk has two */
const consumers = [consumer('tokyo', 'trade@risk'), consumer('tokyo', 'trade@desk'), consumer('oslo', 'trade@desk')];
const id = (n: number): string => `acme.tokyo.trade.${n}`;

async function judgeOf(files: Record<string, string[]>): Promise<Verdict> {
  for (const [name, lines] of Object.entries(files)) await writeFile(join(dir, name), `${lines.join('\n')}\n`);
  return judge({ dir, publishers, consumers, fullDisks: [] });
}

const published = 'published.acme.tokyo.trade';
const risk = 'delivered.acme.tokyo.trade@risk';
const deskHere = 'delivered.acme.tokyo.trade@desk';
const deskThere = 'delivered.acme.oslo.trade@desk';
const first = ['p 0 100 aaaa', 'a 0 101 1'];
const delivered = [`d ${id(0)} 110 1@5 aaaa`, `k ${id(0)} 111 1@5`];
const count = (verdict: Verdict, group: string) => verdict.groups[`acme/${group}`];

test('what was acknowledged and came out once is clean', async () => {
  const verdict = await judgeOf({ [published]: first, [risk]: delivered, [deskThere]: delivered });
  expect(isClean(verdict)).toBe(true);
  expect(verdict).toMatchObject({ published: 1, acknowledged: 1, unknown: 0, refused: 0, anomalies: [] });
  expect(count(verdict, 'trade@risk')).toMatchObject({ owed: 1, delivered: 1, lost: 0 });
});

test('what was acknowledged and did not come out is lost, with its sequence', async () => {
  const verdict = await judgeOf({ [published]: first, [risk]: delivered });
  expect(isClean(verdict)).toBe(false);
  expect(verdict.anomalies).toMatchObject([{ kind: 'lost', group: 'acme/trade@desk', id: id(0), sequence: 1 }]);
});

test('an unknown publish may come out of no group, and of all, but not of some', async () => {
  const unknown = ['p 0 100 aaaa', 'u 0 3100 TimeoutError'];
  expect(isClean(await judgeOf({ [published]: unknown }))).toBe(true);
  expect(isClean(await judgeOf({ [risk]: delivered, [deskHere]: delivered }))).toBe(true);
  const some = await judgeOf({ [deskHere]: [] });
  expect(some.anomalies).toMatchObject([{ kind: 'lost', group: 'acme/trade@desk', outcome: 'unknown' }]);
});

test('a publish whose answer never came, because the line is missing, is unknown too', async () => {
  expect(await judgeOf({ [published]: ['p 0 100 aaaa'] })).toMatchObject({ unknown: 1 });
});

test('the same copy again is a redelivery; after a confirmed acknowledgement it is counted apart', async () => {
  const again = await judgeOf({
    [published]: first,
    [risk]: [`d ${id(0)} 110 1@5 aaaa`, `d ${id(0)} 120 1@5 aaaa`, `k ${id(0)} 121 1@5`],
    [deskHere]: [...delivered, `d ${id(0)} 120 1@5 aaaa`],
  });
  expect(isClean(again)).toBe(true);
  expect(count(again, 'trade@risk')).toMatchObject({ redelivered: 1, afterConfirmation: 0, duplicated: 0 });
  expect(count(again, 'trade@desk')).toMatchObject({ redelivered: 0, afterConfirmation: 1, duplicated: 0 });
});

test('a second copy is a duplicate at a group with one terminal, acknowledged or not', async () => {
  const verdict = await judgeOf({
    [published]: first,
    [risk]: [`d ${id(0)} 110 1@5 aaaa`, `d ${id(0)} 120 2@6 aaaa`],
    [deskHere]: delivered,
  });
  expect(verdict.anomalies).toMatchObject([{ kind: 'duplicated', group: 'acme/trade@risk' }]);
  expect(verdict.anomalies[0]?.deliveries).toHaveLength(2);
});

test('a second copy at another terminal is a move, unless one was acknowledged before', async () => {
  const files = { [published]: first, [risk]: delivered };
  const there = [`d ${id(0)} 150 9@9 aaaa`, `k ${id(0)} 151 9@9`];
  const moved = await judgeOf({ ...files, [deskHere]: [`d ${id(0)} 110 1@5 aaaa`], [deskThere]: there });
  expect(count(moved, 'trade@desk')).toMatchObject({ moved: 1, duplicated: 0 });
  const doubled = await judgeOf({ ...files, [deskHere]: delivered, [deskThere]: there });
  expect(count(doubled, 'trade@desk')).toMatchObject({ moved: 0, duplicated: 1 });
});

test('a confirmation that may have come after the ack wait does not count', async () => {
  const base = { [published]: first, [risk]: delivered };
  const there = [`d ${id(0)} 9000 9@9 aaaa`, `k ${id(0)} 9001 9@9 100`];
  const here = (heldMs: number): string[] => [`d ${id(0)} 110 1@5 aaaa`, `k ${id(0)} 8000 1@5 ${heldMs}`];
  const late = await judgeOf({ ...base, [deskHere]: here(4_001), [deskThere]: there });
  expect(count(late, 'trade@desk')).toMatchObject({ moved: 1, duplicated: 0 });
  const inTime = await judgeOf({ ...base, [deskHere]: here(4_000), [deskThere]: there });
  expect(count(inTime, 'trade@desk')).toMatchObject({ moved: 0, duplicated: 1 });
});

test('a confirmation that was given with a full disk does not count', async () => {
  const there = [`d ${id(0)} 150 9@9 aaaa`, `k ${id(0)} 151 9@9`];
  const files = { [published]: first, [risk]: delivered, [deskHere]: delivered, [deskThere]: there };
  for (const [name, lines] of Object.entries(files)) await writeFile(join(dir, name), `${lines.join('\n')}\n`);
  const full = { site: 'tokyo', fromMs: 105, untilMs: 115 };
  const judged = await judge({ dir, publishers, consumers, fullDisks: [full] });
  expect(count(judged, 'trade@desk')).toMatchObject({ moved: 1, duplicated: 0 });
  const elsewhere = await judge({ dir, publishers, consumers, fullDisks: [{ ...full, site: 'oslo' }] });
  expect(count(elsewhere, 'trade@desk')).toMatchObject({ moved: 0, duplicated: 1 });
});

test('a late group owes what was published after its site knew of it, and may have what came before', async () => {
  const late = { consumers: [consumer('tokyo', 'trade@late')], since: new Map([['tokyo', 105]]) };
  const files = {
    [published]: [...first, 'p 1 106 bbbb', 'a 1 107 2'],
    [risk]: [...delivered, `d ${id(1)} 110 2@6 bbbb`],
    [deskHere]: [...delivered, `d ${id(1)} 110 2@6 bbbb`],
  };
  for (const [name, lines] of Object.entries(files)) await writeFile(join(dir, name), `${lines.join('\n')}\n`);
  const judged = await judge({ dir, publishers, consumers, fullDisks: [], late: [late] });
  expect(judged.anomalies).toMatchObject([{ kind: 'lost', group: 'acme/trade@late', id: id(1) }]);
  const unaware = { ...late, since: new Map<string, number>() };
  expect((await judge({ dir, publishers, consumers, fullDisks: [], late: [unaware] })).anomalies).toEqual([]);
});

test('other bytes are changed, a refused or never published message is unexpected, a foreign one is leaked', async () => {
  const verdict = await judgeOf({
    [published]: [...first, 'p 1 100 bbbb', 'r 1 101 503'],
    [risk]: [`d ${id(0)} 110 1@5 cccc`, `d ${id(1)} 110 2@6 bbbb`, 'd globex.tokyo.trade.0 110 3@7 aaaa'],
    [deskHere]: delivered,
  });
  expect(count(verdict, 'trade@risk')).toMatchObject({ changed: 1, unexpected: 2, leaked: 0 });
  expect(isClean(verdict)).toBe(false);
});

test('another topic of the same customer is a leak', async () => {
  const leaked = await judge({
    dir,
    publishers: [...publishers, { ...publishers[0]!, name: 'acme.tokyo.depth', topic: 'depth' }],
    consumers: consumers.slice(0, 1),
    fullDisks: [],
  });
  expect(leaked.anomalies).toEqual([]);
  await writeFile(join(dir, 'published.acme.tokyo.depth'), 'p 0 100 aaaa\na 0 101 1\n');
  await writeFile(join(dir, risk), `d acme.tokyo.depth.0 110 1@5 aaaa\n`);
  const after = await judge({
    dir,
    publishers: [...publishers, { ...publishers[0]!, name: 'acme.tokyo.depth', topic: 'depth' }],
    consumers: consumers.slice(0, 1),
    fullDisks: [],
  });
  expect(after.anomalies).toMatchObject([{ kind: 'leaked', id: 'acme.tokyo.depth.0' }]);
});

test('a line that a killed client left incomplete does not count', async () => {
  const verdict = await judgeOf({ [published]: first, [risk]: ['', `d ${id(0)} 11`], [deskHere]: delivered });
  expect(verdict.anomalies).toMatchObject([{ kind: 'lost', group: 'acme/trade@risk' }]);
});

test('first deliveries out of the order of publishing are counted', async () => {
  const verdict = await judgeOf({
    [published]: [...first, 'p 1 102 bbbb', 'a 1 103 2'],
    [risk]: [`d ${id(1)} 110 1@5 bbbb`, `d ${id(0)} 120 2@6 aaaa`],
    [deskHere]: [`d ${id(0)} 110 1@5 aaaa`, `d ${id(1)} 120 2@6 bbbb`],
  });
  expect([count(verdict, 'trade@risk')?.reordered, count(verdict, 'trade@desk')?.reordered]).toEqual([1, 0]);
});
