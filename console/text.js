/** Numbers and times as people read them. */

/** `1,204` @param {number} value */
export function count(value) {
  return value.toLocaleString('en-US');
}

/** `4 s`, `3 min`; `-` for null @param {number | null} ms */
export function duration(ms) {
  if (ms === null) return '-';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

/** A round trip: `4.2 ms`, `120 ms`; `-` for null @param {number | null} ms */
export function roundTrip(ms) {
  if (ms === null) return '-';
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** `1.2 MiB` @param {number} value */
export function bytes(value) {
  const step = value < 1_024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  const shown = value / 1_024 ** step;
  return `${step === 0 || shown >= 100 ? Math.round(shown) : shown.toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][step]}`;
}

/** `1.2 MiB/s`; `-` for null @param {number | null} perSecond */
export function rate(perSecond) {
  return perSecond === null ? '-' : `${bytes(perSecond)}/s`;
}

/** `14:03:07`, with its date when that is not today @param {string | number} at */
export function clock(at) {
  const time = new Date(at);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? time.toLocaleTimeString('en-GB') : time.toLocaleString('sv-SE');
}
