import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { parseLines, readInput, splitStream, topicsOf } from '../../../demo/input.ts';

const feed = [
  '1723161600001658384 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"}}',
  '1723161600001692584 {"stream":"btcusdt@bookTicker","data":{"u":1}}',
  '1723161600001692599 {"stream":"btcusdt@trade","data":{"p":"1"}}',
].join('\n');

let directory: string | undefined;
afterEach(async () => {
  if (directory) await rm(directory, { recursive: true });
  directory = undefined;
});

async function fileOf(content: string | Buffer, name = 'input'): Promise<string> {
  directory = await mkdtemp(join(tmpdir(), 'mbus-input-'));
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

describe('a stream name', () => {
  it.each([
    ['btcusdt@depth@100ms', 'depth', 'btcusdt'],
    ['btcusdt@depth@0ms', 'depth', 'btcusdt'],
    ['btcusdt@bookTicker', 'bookTicker', 'btcusdt'],
    ['btcusdt@kline_1m', 'kline_1m', 'btcusdt'],
    ['trade', 'trade', ''],
  ])('%s gives topic %s', (stream, topic, token) => {
    expect(splitStream(stream)).toEqual({ topic, token });
  });
});

describe('input lines', () => {
  it('reads market feed lines with topic, subject, receive time and the untouched JSON', () => {
    const events = parseLines(Buffer.from(feed), 'feed');
    expect(events.map((event) => event.topic)).toEqual(['depth', 'bookTicker', 'trade']);
    expect(events[0]).toEqual({
      topic: 'depth',
      subject: 'depth.btcusdt',
      headers: { 'Recorded-At': '1723161600001658384' },
      payload: Buffer.from('{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"}}'),
    });
  });

  it('reads plain JSON lines, with CRLF, empty lines and separators inside strings', () => {
    const events = parseLines(Buffer.from('{"a":1}\r\n\n{"b":"x\u2028y"}'), 'lines');
    expect(events.map((event) => event.payload.toString())).toEqual(['{"a":1}', '{"b":"x\u2028y"}']);
    expect(topicsOf(events)).toEqual(['events']);
  });

  it('names file and line of what is no JSON object', () => {
    expect(() => parseLines(Buffer.from('{"a":1}\nnonsense'), 'f')).toThrow(/^f:2: not a JSON line/);
    expect(() => parseLines(Buffer.from('7'), 'f')).toThrow('f:1: not a JSON object');
  });

  it('refuses a stream that gives no topic name', () => {
    expect(() => parseLines(Buffer.from('{"stream":"btcusdt@a.>"}'), 'f')).toThrow('no topic name');
  });
});

describe('readInput', () => {
  it('unpacks gzip by content, whatever the name', async () => {
    const events = await readInput(await fileOf(gzipSync(feed), 'feed.txt'));
    expect(events).toHaveLength(3);
  });

  it('refuses a missing and an empty file', async () => {
    await expect(readInput('/nonexistent/file')).rejects.toMatchObject({ code: 'E_CONFIG' });
    await expect(readInput(await fileOf('\n'))).rejects.toMatchObject({ code: 'E_CONFIG' });
  });

  it('brings recorded earthquakes and flights by itself', async () => {
    const events = await readInput();
    expect(new Set(topicsOf(events))).toEqual(new Set(['quakes', 'flights']));
    expect(events.filter((event) => event.topic === 'quakes').length).toBe(1707);
    expect(events.filter((event) => event.topic === 'flights').length).toBe(20_000);
  });
});
