import { expect, test } from 'vitest';
import { decodeFrame, flowKey, RangeSet } from '../../../src/envelope/index.ts';
import { ReceiptBook } from '../../../src/transit/index.ts';
import { fixedBytes, flow, ids, receiptOf } from '../../support/envelopes.ts';
import { HandRoutes, self } from '../../support/transit.ts';

function bookOf(): { book: ReceiptBook; routes: HandRoutes; sent: { linkId: string; mark: string }[] } {
  const routes = new HandRoutes();
  const sent: { linkId: string; mark: string }[] = [];
  const note = (linkId: string, bytes: Uint8Array): void => {
    const frame = decodeFrame(bytes);
    if (frame.kind !== 'receipt') throw new Error(`a ${frame.kind} was sent`);
    expect([frame.path.at(-1), frame.destinations]).toEqual([self, [ids.origin]]);
    sent.push({ linkId, mark: Buffer.from(frame.receipt).toString('hex').slice(0, 4) });
  };
  return { book: new ReceiptBook({ terminalId: self, routes, format: () => 1, note }), routes, sent };
}

const from = { path: [ids.destination], shun: [], hopLimit: 10 };

function take(book: ReceiptBook, mark: number): string {
  const bytes = fixedBytes(`receipt ${mark}`, 40);
  book.take(receiptOf({ received: RangeSet.of(mark) }), bytes, from);
  return bytes.toString('hex').slice(0, 4);
}

test('the newest receipt waits for a link towards its origin', () => {
  const { book, routes, sent } = bookOf();
  take(book, 10);
  const newest = take(book, 30);
  take(book, 20);
  expect(sent).toEqual([]);
  routes.set(ids.origin, 'east');
  expect(sent).toEqual([{ linkId: 'east', mark: newest }]);
});

test('it is sent again over another link, and when its link came up anew', () => {
  const { book, routes, sent } = bookOf();
  routes.set(ids.origin, 'east');
  take(book, 10);
  routes.set(ids.origin, 'west');
  book.linkUp('east');
  book.linkUp('west');
  expect(sent.map(({ linkId }) => linkId)).toEqual(['east', 'west', 'west']);
});

test('it answers for what the destination has', () => {
  const { book } = bookOf();
  take(book, 10);
  const key = flowKey(flow);
  expect(book.covers(key, ids.group, ids.destination, 3, 10)).toBe(true);
  expect(book.covers(key, ids.group, ids.destination, 3, 11)).toBe(false);
  expect(book.covers(key, ids.group, self, 3, 10)).toBe(false);
});
