/**
 * Which format terminals of different builds write to each other. All of a customer's terminals may come to read what one
 * of them writes, as destination or on the way, so each writes the newest that all of them read: while sites are upgraded one
 * by one that is the older one, and with the last of them it becomes the newer one. Pure.
 *
 * A terminal whose formats have nothing in common with ours, or which does not read what we agreed upon, gets nothing:
 * E_VERSION_APART. What is for it waits at the origin, unsealed.
 */
import { FORMATS, type FormatRange } from './wire.ts';

/** What everybody reads that can be talked with at all; `others` are the ranges of the other terminals. */
export function agreedFormat(others: readonly FormatRange[], own: FormatRange = FORMATS): number {
  const common = others.filter((range) => range.max >= own.min && range.min <= own.max);
  return Math.min(own.max, ...common.map(({ max }) => max));
}

export function reads({ min, max }: FormatRange, format: number): boolean {
  return format >= min && format <= max;
}

/** `format 2`, `formats 1 to 2` */
export function formatsText({ min, max }: FormatRange): string {
  return min === max ? `format ${min}` : `formats ${min} to ${max}`;
}

const rangeBytes = 2;

/** Two bytes of a hello. */
export function encodeFormats({ min, max }: FormatRange = FORMATS): Uint8Array {
  return Uint8Array.of(min, max);
}

/** Undefined when a hello says nothing of it. */
export function decodeFormats(bytes: Uint8Array): FormatRange | undefined {
  const [min = 0, max = 0] = bytes;
  return bytes.length === rangeBytes && min >= 1 && max >= min ? { min, max } : undefined;
}
