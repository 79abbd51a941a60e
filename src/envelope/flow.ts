/**
 * A flow: one origin terminal, one topic, one life of its capture stream. A message is its flow and its sequence in it.
 * When a capture stream is made anew it takes a new incarnation, so an old sequence never stands for a new message.
 */
import type { ByteReader, ByteWriter } from './codec.ts';
import { bytesToHex16, hex16ToBytes } from './ids.ts';
import { ID_BYTES } from './wire.ts';

export interface Flow {
  /** terminal id, UUID */
  originId: string;
  topicId: string;
  /** 32 hex digits, from the capture stream's metadata */
  incarnation: string;
}

/** One text per flow, for maps and logs. */
export function flowKey(flow: Flow): string {
  return `${flow.originId}/${flow.topicId}/${flow.incarnation}`;
}

export function writeFlow(writer: ByteWriter, flow: Flow): void {
  writer.uuid(flow.originId).uuid(flow.topicId).bytes(hex16ToBytes(flow.incarnation));
}

export function readFlow(reader: ByteReader): Flow {
  return { originId: reader.uuid(), topicId: reader.uuid(), incarnation: bytesToHex16(reader.bytes(ID_BYTES)) };
}
