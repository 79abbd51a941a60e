/**
 * Mutations of what really travels, drawn from a seed: bytes lose, gain, change and exchange parts; JSON gets values, keys
 * and depths that no schema names. What comes out always differs from what went in.
 */
import type { Random } from '../sim/random.ts';

type ByteMutation = (random: Random, bytes: Buffer, other: Buffer) => Buffer;

const maxGrownBytes = 4_096;
/** LEB128 of 2^32-1, of 2^53-1, without an end, with padding; big-endian lengths */
const lengths = [
  'ffffffff0f',
  'ffffffffffffff0f',
  'ffffffffffffffffff',
  '8000',
  '7fffffff',
  'ffffffff',
  '00000000',
].map((hex) => Buffer.from(hex, 'hex'));

const byteMutations: readonly ByteMutation[] = [
  function flipBits(random, bytes) {
    const out = Buffer.from(bytes);
    for (let left = random.whole(1, 8); left > 0; left--)
      out[random.whole(0, out.length - 1)]! ^= 1 << random.whole(0, 7);
    return out;
  },
  function setByte(random, bytes) {
    const out = Buffer.from(bytes);
    out[random.whole(0, out.length - 1)] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
    return out;
  },
  function truncate(random, bytes) {
    return bytes.subarray(0, random.whole(0, bytes.length - 1));
  },
  function append(random, bytes) {
    return Buffer.concat([bytes, noise(random, random.whole(1, maxGrownBytes))]);
  },
  function insert(random, bytes) {
    const at = random.whole(0, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), noise(random, random.whole(1, 64)), bytes.subarray(at)]);
  },
  function remove(random, bytes) {
    const at = random.whole(0, bytes.length - 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.whole(1, 64))]);
  },
  function repeat(random, bytes) {
    const at = random.whole(0, bytes.length - 1);
    const end = Math.min(bytes.length, at + random.whole(1, 256));
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
  },
  function splice(random, bytes, other) {
    const head = bytes.subarray(0, random.whole(0, bytes.length));
    return Buffer.concat([head, other.subarray(random.whole(0, other.length))]);
  },
  function graft(random, bytes, other) {
    const out = Buffer.from(bytes);
    const at = random.whole(0, Math.min(out.length, other.length) - 1);
    other.copy(out, at, at, at + random.whole(1, 128));
    return out;
  },
  function setLength(random, bytes) {
    const out = Buffer.from(bytes);
    random.pick(lengths).copy(out, random.whole(0, Math.min(out.length - 1, 200)));
    return out;
  },
  function nonsense(random) {
    return noise(random, random.whole(0, maxGrownBytes));
  },
];

function noise(random: Random, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  random.fill(bytes);
  return bytes;
}

/** One of `bases` (none empty), changed. */
export function mutateBytes(random: Random, bases: readonly Buffer[]): Buffer {
  const bytes = random.pick(bases);
  const out = random.pick(byteMutations)(random, bytes, random.pick(bases));
  if (bases.some((base) => base.equals(out))) return mutateBytes(random, bases);
  return out;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const strings = ['', '\u0000', '\u202e', '\ud800', "'; drop table sites; --", '../../etc/passwd', '__proto__', '>'];
const numbers = [-1, 0, 1, 0.5, 2 ** 31, 2 ** 53, 1e308, -1e308];

/** A copy of `base` in which one to three places are something else. */
export function mutateJson(random: Random, base: Json): Json {
  let out = structuredClone(base);
  for (let left = random.whole(1, 3); left > 0; left--) out = mutatePlace(random, out);
  return JSON.stringify(out) === JSON.stringify(base) ? mutateJson(random, base) : out;
}

function mutatePlace(random: Random, value: Json): Json {
  if (typeof value === 'string' && value !== '' && random.isLikely(0.7)) return mutateText(random, value);
  if (value === null || typeof value !== 'object' || random.isLikely(0.1)) return anything(random);
  if (Array.isArray(value)) {
    if (value.length === 0 || random.isLikely(0.2)) return [...value, anything(random)];
    const at = random.whole(0, value.length - 1);
    return value.map((item, index) => (index === at ? mutatePlace(random, item) : item));
  }
  const keys = Object.keys(value);
  if (keys.length === 0 || random.isLikely(0.1))
    return { ...value, [random.pick([...strings, 'x'])]: anything(random) };
  const key = random.pick(keys);
  if (random.isLikely(0.1)) return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
  return { ...value, [key]: mutatePlace(random, value[key] ?? null) };
}

/** One character of it, its length, or all of it. */
function mutateText(random: Random, text: string): string {
  const at = random.whole(0, text.length - 1);
  const letter = random.pick([...'AQgw09_-', '\u0000', '=', 'é']);
  const changed = `${text.slice(0, at)}${letter}${text.slice(at + 1)}`;
  return random.pick([changed, changed, text.slice(0, at), text + text, random.pick(strings)]);
}

function anything(random: Random): Json {
  const kinds: (() => Json)[] = [
    () => null,
    () => random.isLikely(0.5),
    () => random.pick(numbers),
    () => random.pick(strings),
    () => 'x'.repeat(random.whole(1, 20_000)),
    () => [],
    () => ({}),
    () => nested(random.whole(10, 500)),
    () => Array.from({ length: random.whole(1, 3_000) }, () => 0),
  ];
  return random.pick(kinds)();
}

function nested(depth: number): Json {
  let value: Json = [];
  for (let left = depth; left > 0; left--) value = [value];
  return value;
}
