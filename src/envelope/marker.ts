/**
 * The marker: which sequences of a flow a group stream holds, written in the same atomic batch as the messages, so both
 * are on disk or neither. Its MAC, under a key of the terminal that writes it, binds the stream's name.
 *
 * A marker that does not decode or verify stops the flow (E_MARKER_BAD, park): going on would lose or double.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ByteReader, ByteWriter } from './codec.ts';
import { type Flow, readFlow, writeFlow } from './flow.ts';
import { RangeSet } from './ranges.ts';
import { context, FORMAT, MAC_BYTES } from './wire.ts';

interface Marker {
  flow: Flow;
  /** highest floor the origin has signed; everything up to it is in `received` */
  floor: number;
  received: RangeSet;
  /** receipted once and not here any more, because the disk is an older copy; in `received` too, so it is told once */
  lost: RangeSet;
}

/** @param stream name of the group stream, `<topic>@<group>` */
export function encodeMarker(marker: Marker, macKey: Uint8Array, stream: string): Buffer {
  const writer = new ByteWriter(256 + marker.received.ranges.length * 8);
  writer.u8(FORMAT);
  writeFlow(writer, marker.flow);
  writer.varint(marker.floor);
  marker.received.encodeTo(writer);
  marker.lost.encodeTo(writer);
  const mac = macOf(writer.finish(), macKey, stream);
  return writer.bytes(mac).finish();
}

/** @throws E_MARKER_BAD */
export function decodeMarker(bytes: Uint8Array, macKey: Uint8Array, stream: string): Marker {
  const reader = new ByteReader(bytes, `marker in ${stream}`, 'E_MARKER_BAD');
  if (bytes.length <= MAC_BYTES) reader.fail('it ends too early');
  const covered = bytes.subarray(0, bytes.length - MAC_BYTES);
  const isGenuine = timingSafeEqual(macOf(covered, macKey, stream), bytes.subarray(covered.length));
  if (!isGenuine) reader.fail('its MAC does not verify');
  if (reader.u8() !== FORMAT) reader.fail('unknown format');
  const flow = readFlow(reader);
  const floor = reader.varint();
  const received = RangeSet.decodeFrom(reader);
  const lost = RangeSet.decodeFrom(reader);
  reader.bytes(MAC_BYTES);
  reader.end();
  return { flow, floor, received, lost };
}

function macOf(bytes: Uint8Array, macKey: Uint8Array, stream: string): Buffer {
  const bound = new ByteWriter(64).text(stream).finish();
  return createHmac('sha256', macKey).update(`${context.marker}\0`, 'latin1').update(bound).update(bytes).digest();
}
