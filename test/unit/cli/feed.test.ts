import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FeedLine, openFeed, parseFeedLine } from '../../../cli/message/feed.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-feed-'));
});
afterAll(() => rm(dir, { recursive: true }));

const topics = { defaultTopic: 'events' };

function event(text: string, options: { topic?: string; defaultTopic: string } = topics): unknown {
  const parsed = parseFeedLine({ line: 7, bytes: Buffer.from(text) }, 'feed', options);
  return parsed && { ...parsed, payload: parsed.payload.toString() };
}

test('a market feed line gives topic, token and receive time', () => {
  expect(event('1723161255030314667 {"stream":"btcusdt@depth@100ms","data":{}}')).toEqual({
    subject: 'depth.btcusdt',
    payload: '{"stream":"btcusdt@depth@100ms","data":{}}',
    recordedAt: '1723161255030314667',
  });
});

test('a line without stream takes the default topic, and --topic overrides both', () => {
  expect(event('{"a":1}')).toEqual({ subject: 'events', payload: '{"a":1}', recordedAt: null });
  expect(event('{"stream":"x@trade"}\r', { ...topics, topic: 'own.eu' })).toEqual({
    subject: 'own.eu',
    payload: '{"stream":"x@trade"}',
    recordedAt: null,
  });
  expect(event('not json', { ...topics, topic: 'own' })).toMatchObject({ payload: 'not json' });
  expect(event('')).toBeNull();
});

test.each(['not json', '{"stream":"x@a.>"}', '{"stream":"x@_mb"}', '{"stream":""}'])(
  'refuses %j with its line',
  (text) => {
    expect(() => event(text)).toThrow(
      expect.objectContaining({ code: 'E_FILE', message: expect.stringMatching(/^feed:7: /) }),
    );
  },
);

test('reads lines of any length as they are, plain and gzip', async () => {
  const lines = ['a', '', 'x'.repeat(200_000), 'ü\xff', 'last'];
  const bytes = Buffer.from(lines.join('\n'), 'latin1');
  await writeFile(join(dir, 'feed.txt'), bytes);
  await writeFile(join(dir, 'feed.gz'), gzipSync(bytes));
  for (const name of ['feed.txt', 'feed.gz']) {
    const feed = await openFeed(join(dir, name));
    const read: FeedLine[] = [];
    for await (const line of feed.lines) read.push({ ...line, bytes: Buffer.from(line.bytes) });
    expect(read.map(({ line, bytes: text }) => [line, text.toString('latin1')])).toEqual(
      lines.map((text, index) => [index + 1, text]),
    );
    expect(feed.progress()).toBe(1);
  }
});

test('a damaged gzip file is told, not swallowed', async () => {
  const path = join(dir, 'damaged.gz');
  await writeFile(path, gzipSync(Buffer.alloc(100_000, 'ab\n')).subarray(0, 60));
  const read = async (): Promise<void> => {
    for await (const _ of (await openFeed(path)).lines);
  };
  await expect(read()).rejects.toMatchObject({ code: 'E_FILE' });
});
