/** Ready protocol bytes, as src/nats/raw-publish.ts sends them: publishes with headers and without a reply subject. */
import type { Packet } from './stream.ts';

const lineEnd = Buffer.from('\r\n');

export function* packetsOf(bytes: Uint8Array): Generator<Packet> {
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.length; ) {
    const end = buffer.indexOf(lineEnd, at);
    const [verb, subject = '', headerSize, size] = buffer.toString('utf8', at, end).split(' ');
    if (verb !== 'HPUB') throw new Error(`the simulation knows no ${verb}`);
    const from = end + lineEnd.length;
    const dataFrom = from + Number(headerSize);
    const to = from + Number(size);
    yield { subject, reply: '', headers: buffer.subarray(from, dataFrom), data: buffer.subarray(dataFrom, to) };
    at = to + lineEnd.length;
  }
}
