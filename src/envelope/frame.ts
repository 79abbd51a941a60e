/**
 * The frame: what a link carries. Its head changes at every hop and is not signed, so nothing that matters reads it:
 * hop limit, path, shun and destinations only save useless sending. Manifest, sealed envelope and receipt pass through opaque.
 *
 * An envelope never goes back to a terminal on its path. Bad in any way: E_ENVELOPE_BAD.
 */
import { ByteReader, ByteWriter } from './codec.ts';
import { FORMATS, MAX_ASSIGNMENTS, MAX_CONTROL_BYTES, MAX_PATH, MAX_SEALED_BYTES, MAX_SIGNED_BYTES } from './wire.ts';

interface FrameHead {
  /** how many more links it may cross, 0 to 255 */
  hopLimit: number;
  /** terminal ids already visited, origin first */
  path: string[];
  /** terminal ids that no receipt came back over: another way is taken where there is one */
  shun: string[];
  /** terminal ids this copy is for */
  destinations: string[];
}

interface EnvelopeFrame extends FrameHead {
  kind: 'envelope';
  manifest: Uint8Array;
  sealed: Uint8Array;
}

interface ReceiptFrame extends FrameHead {
  kind: 'receipt';
  receipt: Uint8Array;
}

interface ControlFrame extends FrameHead {
  kind: 'control';
  control: Uint8Array;
}

type Frame = EnvelopeFrame | ReceiptFrame | ControlFrame;

const kinds = ['envelope', 'receipt', 'control'] as const;

/** One buffer with the whole frame. */
export function encodeFrame(frame: Frame, format = FORMATS.max): Buffer {
  return Buffer.concat([encodeFrameHead(frame, format), frameTail(frame)]);
}

/** Everything before the large last part (sealed envelope, receipt or control bytes), to be sent before it uncopied. */
export function encodeFrameHead(frame: Frame, format = FORMATS.max): Buffer {
  const manifestSize = frame.kind === 'envelope' ? frame.manifest.length : 0;
  const writer = new ByteWriter(
    32 + manifestSize + 16 * (frame.path.length + frame.shun.length + frame.destinations.length),
  );
  writer
    .u8(format)
    .u8(kinds.indexOf(frame.kind) + 1)
    .u8(frame.hopLimit);
  writer.varint(frame.path.length);
  for (const id of frame.path) writer.uuid(id);
  writer.varint(frame.shun.length);
  for (const id of frame.shun) writer.uuid(id);
  writer.varint(frame.destinations.length);
  for (const id of [...frame.destinations].sort()) writer.uuid(id);
  if (frame.kind === 'envelope') writer.sized(frame.manifest);
  return writer.varint(frameTail(frame).length).finish();
}

function frameTail(frame: Frame): Uint8Array {
  switch (frame.kind) {
    case 'envelope':
      return frame.sealed;
    case 'receipt':
      return frame.receipt;
    case 'control':
      return frame.control;
  }
}

/** Manifest, sealed, receipt and control are views into `bytes`. @throws E_ENVELOPE_BAD */
export function decodeFrame(bytes: Uint8Array): Frame {
  const reader = new ByteReader(bytes, 'frame');
  reader.format();
  const kind = kinds[reader.u8() - 1] ?? reader.fail('unknown kind');
  const head: FrameHead = {
    hopLimit: reader.u8(),
    path: readPath(reader),
    shun: readIds(reader, MAX_PATH),
    destinations: readDestinations(reader),
  };
  const frame = readTail(reader, kind, head);
  reader.end();
  return frame;
}

function readTail(reader: ByteReader, kind: Frame['kind'], head: FrameHead): Frame {
  switch (kind) {
    case 'envelope':
      return { kind, ...head, manifest: reader.sized(MAX_SIGNED_BYTES), sealed: reader.sized(MAX_SEALED_BYTES) };
    case 'receipt':
      return { kind, ...head, receipt: reader.sized(MAX_SIGNED_BYTES) };
    case 'control':
      return { kind, ...head, control: reader.sized(MAX_CONTROL_BYTES) };
  }
}

function readPath(reader: ByteReader): string[] {
  const path = readIds(reader, MAX_PATH);
  if (new Set(path).size !== path.length) reader.fail('its path holds a terminal twice');
  return path;
}

function readDestinations(reader: ByteReader): string[] {
  const ids = readIds(reader, MAX_ASSIGNMENTS);
  if (ids.some((id, index) => index > 0 && id <= ids[index - 1]!)) reader.fail('its destinations do not ascend');
  return ids;
}

function readIds(reader: ByteReader, max: number): string[] {
  const count = reader.varint(max);
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push(reader.uuid());
  return ids;
}
