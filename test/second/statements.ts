/** Manifest, receipt, release note, marker, routing record and frame for the second implementation, from docs/envelope.md alone. */
import { createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { refuse, Take, varint } from './bytes.ts';
import { id, join, publicKey, signAbout, u64 } from './terminal.ts';

export interface SecondFlow {
  origin: string;
  topic: string;
  incarnation: Buffer;
}

export interface SequenceSet {
  mark: number;
  /** first and last of each, ascending */
  ranges: [number, number][];
}

const takeFlow = (take: Take): SecondFlow => ({ origin: take.id(), topic: take.id(), incarnation: take.bytes(16) });

const flowBytes = ({ origin, topic, incarnation }: SecondFlow): Buffer => join(id(origin), id(topic), incarnation);

function takeSet(take: Take): SequenceSet {
  const mark = take.varint();
  const ranges: [number, number][] = [];
  let end = mark;
  for (let left = take.varint(4096); left > 0; left--) {
    const first = end + 2 + take.varint();
    end = first + take.varint();
    if (!Number.isSafeInteger(end)) refuse('set');
    ranges.push([first, end]);
  }
  return { mark, ranges };
}

function setBytes({ mark, ranges }: SequenceSet): Buffer {
  let end = mark;
  const parts = ranges.map(([first, last]) => {
    const gap = first - end - 2;
    end = last;
    return join(varint(gap), varint(last - first));
  });
  return join(varint(mark), varint(ranges.length), ...parts);
}

/** Reads one signed structure; `keyOf` gives the raw key of the terminal that it names. */
function signed<T>(context: string, bytes: Uint8Array, read: (take: Take) => { value: T; key: Uint8Array }): T {
  const take = new Take(bytes);
  take.constant(1);
  const { value, key } = read(take);
  const statement = take.soFar();
  const signature = take.bytes(64);
  take.end();
  const input = join(Buffer.from(`${context}\0`), statement);
  if (!verify(null, input, publicKey('ed25519', key), signature)) refuse('signature');
  return value;
}

export function readManifest(bytes: Uint8Array, key: Uint8Array) {
  return signed('mbus/1/manifest', bytes, (take) => {
    const head = { customer: take.id(), flow: takeFlow(take), first: take.varint(), last: take.varint() };
    if (head.first < 1 || head.last < head.first) refuse('range');
    const rest = { floor: take.varint(), snapshotVersion: take.varint(), envelopeId: take.bytes(16) };
    const assignments = Array.from({ length: take.varint(512) }, () => ({
      group: take.id(),
      terminal: take.id(),
      since: take.varint(),
    }));
    const isAscending = assignments.every(({ group }, n) => n === 0 || group > (assignments[n - 1]?.group ?? ''));
    if (assignments.length === 0 || !isAscending) refuse('assignments');
    return { value: { ...head, ...rest, assignments }, key };
  });
}

export type SecondManifest = ReturnType<typeof readManifest>;

export function makeManifest(manifest: SecondManifest, key: KeyObject): Buffer {
  const { customer, flow, first, last, floor, snapshotVersion, envelopeId, assignments } = manifest;
  const numbers = [first, last, floor, snapshotVersion].map(varint);
  const rows = assignments.flatMap(({ group, terminal, since }) => [id(group), id(terminal), varint(since)]);
  const head = join(Buffer.of(1), id(customer), flowBytes(flow), ...numbers, envelopeId);
  const statement = join(head, varint(assignments.length), ...rows);
  return join(statement, signAbout('mbus/1/manifest', statement, key));
}

export function readReceipt(bytes: Uint8Array, key: Uint8Array) {
  return signed('mbus/1/receipt', bytes, (take) => {
    const head = { customer: take.id(), flow: takeFlow(take), group: take.id(), terminal: take.id() };
    const status = take.integer(1);
    const range = { first: take.varint(), last: take.varint() };
    if (status < 1 || status > 4 || range.first < 1 || range.last < range.first) refuse('status or range');
    const rest = { snapshotVersion: take.varint(), received: takeSet(take), reason: take.text(256) };
    return { value: { ...head, status, ...range, ...rest }, key };
  });
}

export type SecondReceipt = ReturnType<typeof readReceipt>;

export function makeReceipt(receipt: SecondReceipt, key: KeyObject): Buffer {
  const { customer, flow, group, terminal, status, first, last, snapshotVersion, received, reason } = receipt;
  const text = Buffer.from(reason);
  const statement = join(
    ...[Buffer.of(1), id(customer), flowBytes(flow), id(group), id(terminal), Buffer.of(status)],
    ...[varint(first), varint(last), varint(snapshotVersion), setBytes(received), varint(text.length), text],
  );
  return join(statement, signAbout('mbus/1/receipt', statement, key));
}

export function readRelease(bytes: Uint8Array, key: Uint8Array) {
  return signed('mbus/1/release', bytes, (take) => {
    take.constant(1);
    const value = {
      customer: take.id(),
      flow: takeFlow(take),
      terminal: take.id(),
      destination: take.id(),
      first: take.varint(),
      last: take.varint(),
    };
    return { value, key };
  });
}

export function readMarker(bytes: Uint8Array, macKey: Uint8Array, stream: string) {
  const covered = bytes.subarray(0, -32);
  const name = Buffer.from(stream);
  const input = join(Buffer.from('mbus/1/marker\0'), varint(name.length), name, covered);
  const mac = createHmac('sha256', macKey).update(input).digest();
  if (bytes.length <= 32 || !timingSafeEqual(mac, bytes.subarray(-32))) refuse('MAC');
  const take = new Take(covered);
  take.constant(1);
  const marker = { flow: takeFlow(take), floor: take.varint(), received: takeSet(take), lost: takeSet(take) };
  take.end();
  return marker;
}

export function readLinkRecord(bytes: Uint8Array, key: Uint8Array) {
  return signed('mbus/1/link-state', bytes, (take) => {
    take.constant(1);
    const head = { customer: take.id(), terminal: take.id(), sequence: take.integer(8) };
    if (head.sequence < 1 || head.sequence > 2 ** 48) refuse('sequence');
    const links = Array.from({ length: take.varint(2048) }, () => ({
      link: take.id(),
      degraded: take.integer(1),
      extraMilli: take.varint(),
      rttMs: take.varint(),
    }));
    return { value: { ...head, links }, key };
  });
}

export function makeLinkRecord(record: ReturnType<typeof readLinkRecord>, key: KeyObject): Buffer {
  const rows = record.links.flatMap((row) => [
    id(row.link),
    Buffer.of(row.degraded),
    varint(row.extraMilli),
    varint(row.rttMs),
  ]);
  const head = join(Buffer.of(1, 1), id(record.customer), id(record.terminal), u64(BigInt(record.sequence)));
  const statement = join(head, varint(record.links.length), ...rows);
  return join(statement, signAbout('mbus/1/link-state', statement, key));
}

export interface SecondFrame {
  hopLimit: number;
  path: string[];
  shun: string[];
  destinations: string[];
  manifest: Buffer;
  sealed: Buffer;
}

/** A frame of kind 1. */
export function readFrame(bytes: Uint8Array): SecondFrame {
  const take = new Take(bytes);
  take.constant(1).constant(1);
  const ids = (max: number): string[] => Array.from({ length: take.varint(max) }, () => take.id());
  const head = { hopLimit: take.integer(1), path: ids(32), shun: ids(32), destinations: ids(512) };
  const frame = { ...head, manifest: take.sized(72 * 1024), sealed: take.sized(8 * 1024 * 1024 + 20 * 1024) };
  take.end();
  if (new Set(head.path).size !== head.path.length) refuse('path');
  if (head.destinations.some((each, n) => n > 0 && each <= (head.destinations[n - 1] ?? ''))) refuse('destinations');
  return frame;
}

export function makeFrame({ hopLimit, path, shun, destinations, manifest, sealed }: SecondFrame): Buffer {
  const ids = [path, shun, destinations].flatMap((list) => [varint(list.length), ...list.map(id)]);
  const parts = [manifest, sealed].flatMap((part) => [varint(part.length), part]);
  return join(Buffer.of(1, 1, hopLimit), ...ids, ...parts);
}
