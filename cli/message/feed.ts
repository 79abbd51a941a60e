/**
 * Recorded events, one a line, plain or gzip, read as a stream: JSON lines, or market feed lines (`<receive time in ns>
 * <json>`). The topic is given, or the last part of the line's `stream` field before an interval (`btcusdt@depth@100ms`
 * is topic depth, subject depth.btcusdt). Payloads are the bytes of the file.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isName, printable } from '../../src/config/names.ts';
import { BusError, errorText } from '../../src/errors.ts';

export interface FeedLine {
  /** counted from 1 */
  line: number;
  bytes: Buffer;
}

export interface FeedEvent {
  subject: string;
  payload: Buffer;
  /** receive time of the recording, nanoseconds since 1970 as text; null when the line has none */
  recordedAt: string | null;
}

const maxLineBytes = 16 * 1024 * 1024;

export interface Feed {
  lines: AsyncIterable<FeedLine>;
  /** how much of the file is read, 0 to 1 */
  progress(): number;
}

/** E_FILE when the file cannot be read. */
export async function openFeed(path: string): Promise<Feed> {
  const size = await fileSize(path);
  const file = createReadStream(path);
  const input: Readable = path.endsWith('.gz') ? pipeline(file, createGunzip(), () => {}) : file;
  return { lines: readLines(input, path), progress: () => (size === 0 ? 1 : file.bytesRead / size) };
}

async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    throw new BusError('E_FILE', `cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}

async function* readLines(input: Readable, path: string): AsyncGenerator<FeedLine> {
  let rest: Buffer = Buffer.alloc(0);
  let line = 0;
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
        line += 1;
        yield { line, bytes: bytes.subarray(start, end) };
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > maxLineBytes)
        throw new BusError('E_FILE', `${path}:${line + 1}: longer than ${maxLineBytes} bytes`);
    }
  } catch (cause) {
    if (cause instanceof BusError) throw cause;
    throw new BusError('E_FILE', `cannot read ${path}: ${errorText(cause)}`, { cause });
  }
  if (rest.length > 0) yield { line: line + 1, bytes: rest };
}

export interface FeedTopics {
  /** subject of every line; absent: what the line says */
  topic?: string | undefined;
  /** of lines that say none */
  defaultTopic: string;
}

/** The event of a line, null for an empty one. E_FILE, with file and line. */
export function parseFeedLine({ line, bytes }: FeedLine, path: string, topics: FeedTopics): FeedEvent | null {
  const trimmed = bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes;
  if (trimmed.length === 0) return null;
  const [head = '', recordedAt = null] = /^(\d{10,20}) /.exec(trimmed.subarray(0, 24).toString('latin1')) ?? [];
  const payload = trimmed.subarray(head.length);
  const subject = topics.topic ?? subjectOf(payload, `${path}:${line}`) ?? topics.defaultTopic;
  return { subject, payload, recordedAt };
}

/** Null when the line has no `stream`. */
function subjectOf(payload: Buffer, place: string): string | null {
  const stream = streamOf(payload, place);
  if (stream === null) return null;
  const parts = stream.split('@');
  while (parts.length > 1 && /^\d+m?s$/.test(parts.at(-1) ?? '')) parts.pop();
  const topic = parts.at(-1);
  if (!isName(topic)) {
    throw new BusError('E_FILE', `${place}: no topic name in "stream" (got ${printable(String(topic))})`);
  }
  const token = parts.length > 1 ? (parts[0] ?? '') : '';
  return /^[A-Za-z0-9_-]+$/.test(token) ? `${topic}.${token}` : topic;
}

function streamOf(payload: Buffer, place: string): string | null {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    const hasStream = typeof value === 'object' && value !== null && 'stream' in value;
    return hasStream && typeof value.stream === 'string' ? value.stream : null;
  } catch (cause) {
    throw new BusError('E_FILE', `${place}: not JSON: ${printable(errorText(cause))}`, { cause });
  }
}
