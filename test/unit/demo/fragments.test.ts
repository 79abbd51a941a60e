import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FragmentScanner } from '../../../demo/fragments.ts';

const payload = Buffer.from('{"stream":"btcusdt@trade","data":{"p":"61800.30","q":"0.006","X":"MARKET"}}');

function scannerOf(...payloads: Buffer[]): FragmentScanner {
  const scanner = new FragmentScanner();
  for (const one of payloads) scanner.addPayload(one);
  return scanner;
}

describe('the fragment scanner', () => {
  it('finds beginning, middle and end of a payload, each once, wherever the chunks part', () => {
    const chunkSizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 20 });
    fc.assert(
      fc.property(chunkSizes, (sizes) => {
        const scanner = scannerOf(payload);
        const stream = Buffer.concat([randomBytes(50), payload, randomBytes(50)]);
        let at = 0;
        let found = 0;
        for (const size of [...sizes, stream.length]) {
          found += scanner.push('a', stream.subarray(at, at + size));
          at += size;
        }
        expect(found).toBe(3);
      }),
    );
  });

  it('finds a fragment without the rest of its payload', () => {
    expect(scannerOf(payload).push('a', Buffer.concat([randomBytes(9), payload.subarray(0, 24)]))).toBe(1);
  });

  it('keeps the directions of connections apart', () => {
    const scanner = scannerOf(payload);
    const found = scanner.push('there', payload.subarray(0, 12)) + scanner.push('back', payload.subarray(12, 24));
    expect(found).toBe(0);
    expect(scanner.push('there', payload.subarray(12, 24))).toBe(1);
  });

  it('finds nothing in random bytes with many fragments known', () => {
    const scanner = scannerOf(...Array.from({ length: 20_000 }, () => randomBytes(100)));
    let found = 0;
    for (let i = 0; i < 50; i++) found += scanner.push('a', randomBytes(64 * 1024));
    expect(found).toBe(0);
  });

  it('finds words across chunks, and leaves out words that chance could write', () => {
    const scanner = new FragmentScanner();
    scanner.addWord('bookTicker');
    scanner.addWord('short');
    expect(scanner.push('a', Buffer.from('..bookTi'))).toBe(0);
    expect(scanner.push('a', Buffer.from('cker short'))).toBe(1);
  });

  it('searches a short payload as a word', () => {
    expect(scannerOf(Buffer.from('{"id":17}')).push('a', Buffer.from('x{"id":17}y'))).toBe(1);
  });
});
