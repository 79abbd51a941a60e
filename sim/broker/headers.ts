/** Header blocks as the simulated server reads and writes them. */
const decoder = new TextDecoder('latin1');

/** The value of a header, undefined when the block has none of that name. */
export function headerValue(block: Uint8Array | null, name: string): string | undefined {
  if (block === null) return undefined;
  const text = decoder.decode(block);
  const at = text.indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const from = at + name.length + 3;
  return text.slice(from, text.indexOf('\r\n', from)).trim();
}

/** `NATS/1.0 <status>` with headers. */
export function headerBlock(status: string, headers: Record<string, string | number> = {}): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`NATS/1.0${status === '' ? '' : ` ${status}`}\r\n${lines.join('')}\r\n`, 'latin1');
}
