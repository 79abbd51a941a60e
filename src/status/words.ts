/** Numbers and times as people read them in a line of `mbus status`. */

/** `1,204` */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

/** `12:03`, with its date when it was another day; local time. */
export function clockText(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === new Date(nowMs).toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `4 s`, `3 min` */
export function durationText(ms: number): string {
  const [unit, size] = units.find(([, unitMs]) => ms >= unitMs) ?? ['ms', 1];
  return `${Math.round(ms / size)} ${unit}`;
}

export function bytesText(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? value : value.toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][step]}`;
}

/** `a`, `a and b`, `a, b and c` */
export function listText(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}
