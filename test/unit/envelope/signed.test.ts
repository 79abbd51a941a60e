import { describe, expect, test } from 'vitest';
import {
  ByteWriter,
  decodeFrame,
  decodeMarker,
  encodeFrame,
  encodeFrameHead,
  encodeMarker,
  RangeSet,
  readCertificate,
  readManifest,
  readReceipt,
  signerOf,
  signManifest,
  signReceipt,
} from '../../../src/envelope/index.ts';
import {
  fixedBytes,
  fixedUuid,
  flow,
  ids,
  manifestOf,
  newSigner,
  receiptOf,
  ticketKit,
} from '../../support/envelopes.ts';

const signer = newSigner();
const sign = signerOf(signer.privateKey);
const keyOf = (id: string) => ([ids.origin, ids.destination].includes(id) ? signer.publicKey : undefined);
const macKey = fixedBytes('mac', 32);
const marker = { flow, floor: 4, received: RangeSet.of(9, [[20, 40]]), lost: RangeSet.of(0, [[12, 14]]) };

const { service, ticket } = await ticketKit();

const kinds = [
  {
    name: 'manifest',
    code: 'E_MANIFEST_BAD',
    bytes: signManifest(manifestOf(), sign),
    read: (b: Buffer) => readManifest(b, keyOf),
  },
  {
    name: 'receipt',
    code: 'E_RECEIPT_BAD',
    bytes: signReceipt(receiptOf(), sign),
    read: (b: Buffer) => readReceipt(b, keyOf),
  },
  {
    name: 'marker',
    code: 'E_MARKER_BAD',
    bytes: encodeMarker(marker, macKey, 'trade@risk'),
    read: (b: Buffer) => decodeMarker(b, macKey, 'trade@risk'),
  },
  {
    name: 'certificate',
    code: 'E_ENVELOPE_BAD',
    bytes: Buffer.from(ticket.certificateBytes),
    read: (b: Buffer) => readCertificate(b, service.publicKey),
  },
];

describe.each(kinds)('a $name', ({ name, code, bytes, read }) => {
  const refused = expect.objectContaining({ code });
  // the first byte says which format it is in; which of a certificate and a marker is not agreed upon
  const unread = ['certificate', 'marker'].includes(name)
    ? refused
    : expect.objectContaining({ code: 'E_VERSION_APART' });

  test('reads', () => expect(() => read(bytes)).not.toThrow());

  test('with any bit flipped is refused', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => read(flipped)).toThrow(bit < 8 ? unread : refused);
    }
  });

  test('cut at any byte, or a byte longer, is refused', () => {
    for (let size = 0; size < bytes.length; size++) expect(() => read(bytes.subarray(0, size))).toThrow(refused);
    expect(() => read(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(refused);
  });
});

describe('a manifest', () => {
  test('reads back as it was signed, groups in order', () => {
    const assignments = ['b', 'a', 'c'].map((name) => ({
      groupId: fixedUuid(name),
      terminalId: ids.destination,
      since: 5,
    }));
    const manifest = manifestOf({ assignments });
    const read = readManifest(signManifest(manifest, sign), keyOf);
    const ascending = [...assignments].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    expect(read).toEqual({ ...manifest, assignments: ascending });
  });

  test('signed by another terminal is refused', () => {
    const bytes = signManifest(manifestOf(), signerOf(newSigner().privateKey));
    expect(() => readManifest(bytes, keyOf)).toThrow(expect.objectContaining({ code: 'E_MANIFEST_BAD' }));
  });

  test('of an unknown origin is refused', () => {
    const bytes = signManifest(manifestOf({ flow: { ...flow, originId: ids.group } }), sign);
    expect(() => readManifest(bytes, keyOf)).toThrow(expect.objectContaining({ code: 'E_MANIFEST_BAD' }));
  });

  test('does not pass for a receipt: a signature has a context', () => {
    const receipt = signReceipt(receiptOf(), (_, bytes) => sign('mbus/1/manifest', bytes));
    expect(() => readReceipt(receipt, keyOf)).toThrow(expect.objectContaining({ code: 'E_RECEIPT_BAD' }));
  });

  test.each([
    ['no group', { assignments: [] }],
    ['an empty range', { first: 5, last: 4 }],
    ['a range from zero', { first: 0, last: 4 }],
    [
      'one group twice',
      { assignments: [1, 2].map(() => ({ groupId: ids.group, terminalId: ids.destination, since: 1 })) },
    ],
    ['an envelope id of 15 bytes', { envelopeId: Buffer.alloc(15) }],
  ])('with %s is not signed', (_, overrides) => {
    expect(() => signManifest(manifestOf(overrides), sign)).toThrow();
  });

  test('takes the key as snapshots carry it', () => {
    const text = signer.publicKey.export({ format: 'jwk' }).x!;
    expect(() => readManifest(signManifest(manifestOf(), sign), () => text)).not.toThrow();
  });
});

describe('a receipt', () => {
  test.each(['stored', 'gone', 'later', 'refused'] as const)('of status %s reads back', (status) => {
    const receipt = receiptOf({ status, reason: 'größer' });
    const read = readReceipt(signReceipt(receipt, sign), keyOf);
    expect({ ...read, received: read.received.toJSON() }).toEqual({ ...receipt, received: receipt.received.toJSON() });
  });

  test('takes a reason of 256 bytes and no more', () => {
    expect(() => signReceipt(receiptOf({ reason: 'é'.repeat(128) }), sign)).not.toThrow();
    expect(() => signReceipt(receiptOf({ reason: 'é'.repeat(129) }), sign)).toThrow();
  });
});

describe('a marker', () => {
  const refused = expect.objectContaining({ code: 'E_MARKER_BAD', disposition: 'park' });

  test('reads back', () => {
    const read = decodeMarker(encodeMarker(marker, macKey, 'trade@risk'), macKey, 'trade@risk');
    expect(JSON.stringify(read)).toBe(JSON.stringify(marker));
  });

  test('of another stream, or made with another key, is refused', () => {
    const bytes = encodeMarker(marker, macKey, 'trade@risk');
    expect(() => decodeMarker(bytes, macKey, 'trade@archive')).toThrow(refused);
    expect(() => decodeMarker(bytes, fixedBytes('other', 32), 'trade@risk')).toThrow(refused);
  });
});

describe('a frame', () => {
  const head = {
    hopLimit: 8,
    path: [ids.origin],
    shun: [ids.group],
    destinations: [ids.destination, ids.group].sort(),
  };
  const [manifest, sealed] = [fixedBytes('manifest', 60), fixedBytes('sealed', 60)];
  const refused = expect.objectContaining({ code: 'E_ENVELOPE_BAD' });

  test.each([
    { kind: 'envelope' as const, ...head, manifest, sealed },
    { kind: 'receipt' as const, ...head, receipt: sealed },
    { kind: 'control' as const, ...head, path: [], control: Buffer.alloc(0) },
  ])('of kind $kind reads back, as views', (frame) => {
    const bytes = encodeFrame(frame);
    const read = decodeFrame(bytes);
    expect(read).toEqual(frame);
    if (read.kind === 'envelope') expect(read.sealed.buffer).toBe(bytes.buffer);
  });

  test('is its head and then the large part', () => {
    const frame = { kind: 'envelope' as const, ...head, manifest, sealed };
    expect(Buffer.concat([encodeFrameHead(frame), sealed]).equals(encodeFrame(frame))).toBe(true);
  });

  test('cut at any byte, or a byte longer, is refused', () => {
    const bytes = encodeFrame({ kind: 'envelope', ...head, manifest, sealed });
    for (let size = 0; size < bytes.length; size++) expect(() => decodeFrame(bytes.subarray(0, size))).toThrow(refused);
    expect(() => decodeFrame(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(refused);
  });

  test('with a terminal twice on its path, or destinations out of order, is refused', () => {
    const looping = encodeFrame({ kind: 'control', ...head, path: [ids.origin, ids.origin], control: sealed });
    expect(() => decodeFrame(looping)).toThrow(refused);
    const [low, high] = head.destinations;
    const unsorted = new ByteWriter().u8(1).u8(3).u8(8).u8(0).u8(0).u8(2).uuid(high!).uuid(low!).u8(0).finish();
    expect(() => decodeFrame(unsorted)).toThrow(refused);
  });

  test('that claims billions of ids or bytes is refused', () => {
    const paths = new ByteWriter().u8(1).u8(1).u8(8).varint(4_000_000_000).finish();
    expect(() => decodeFrame(paths)).toThrow(refused);
    const huge = new ByteWriter().u8(1).u8(2).u8(8).u8(0).u8(0).u8(0).varint(4_000_000_000).finish();
    expect(() => decodeFrame(huge)).toThrow(refused);
  });
});
