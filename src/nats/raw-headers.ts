/**
 * Header blocks as bytes, past the client library's parsed map: an application's headers must survive unchanged
 * (order, case, white space), and parsing each of them would cost more than sealing the whole batch.
 *
 * The one place that looks inside @nats-io/nats-core's message object; when its shape is another one day, the public
 * (parsed) headers are encoded again instead.
 */
import type { Msg, MsgHdrs } from '@nats-io/nats-core';

const preamble = 'NATS/1.0\r\n';

interface InsideMsg {
  _rdata?: Uint8Array;
  _msg?: { hdr: number };
}

/** The raw block `NATS/1.0…\r\n\r\n` of a received message, null when it has none. */
export function rawHeaders(message: Msg): Uint8Array | null {
  const { _rdata: data, _msg: meta } = message as unknown as InsideMsg;
  if (data !== undefined && meta !== undefined) return meta.hdr > 0 ? data.subarray(0, meta.hdr) : null;
  const { headers } = message;
  return headers ? (headers as unknown as { encode(): Uint8Array }).encode() : null;
}

/** The status code of a message without payload (`NATS/1.0 404 …`), 0 when it is none. */
export function statusCode(message: Msg): number {
  const raw = rawHeaders(message);
  if (raw === null || raw.length < 12 || raw[8] !== 0x20) return 0;
  return ((raw[9] ?? 0) - 48) * 100 + ((raw[10] ?? 0) - 48) * 10 + ((raw[11] ?? 0) - 48);
}

/** Hands a ready header block to `publish`, which only calls `encode()`. */
export function headersFromBytes(block: Uint8Array): MsgHdrs {
  return { encode: () => block } as unknown as MsgHdrs;
}

export interface FilteredHeaders {
  /** the application's own lines, each ending in CRLF, without the preamble and the final empty line */
  lines: string;
  /** its `Nats-Msg-Id`, null when it gave none */
  msgId: string | null;
}

const reserved = /^[\s]*(nats|mb)-/i;
const msgIdLine = /^Nats-Msg-Id:[ \t]*(.*?)[ \t]*$/;

/**
 * An application's headers without what could act on a server (`Nats-*`) or pass for the bus's own (`Mb-*`). Lines are
 * kept byte for byte (latin1); a line with a bare CR or LF inside, or without a colon, is no header and is left out.
 */
export function filterHeaders(block: Uint8Array | null): FilteredHeaders {
  if (block === null) return { lines: '', msgId: null };
  const text = Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString('latin1');
  let lines = '';
  let msgId: string | null = null;
  for (const line of text.split('\r\n').slice(1)) {
    if (line === '' || !line.includes(':') || /[\r\n\0]/.test(line)) continue;
    if (!reserved.test(line)) lines += `${line}\r\n`;
    else msgId ??= msgIdLine.exec(line)?.[1] ?? null;
  }
  return { lines, msgId };
}

/** Builds a block from ready lines (each ending in CRLF), latin1. */
export function headerBlock(lines: string): Buffer {
  return Buffer.from(`${preamble}${lines}\r\n`, 'latin1');
}
