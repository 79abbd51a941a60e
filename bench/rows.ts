/** What the bench prints: one row per piece of work, with its target and whether it is met. */
import { columns } from '../demo/report.ts';
import type { Measurement } from './measure.ts';

/** What a row must reach, by its ratio or, where there is no peer, by its value. */
export interface Target {
  of: 'ratio' | 'value';
  /** `below` is strict */
  is: 'atLeast' | 'below' | 'atMost';
  limit: number;
}

export interface Row {
  work: string;
  unit: string;
  /** of the bus: median of the rounds; null where it was not measured */
  value: number | null;
  /** who it is compared with; empty: nobody */
  peer: string;
  peerValue: number | null;
  /** value / peer value, median of the rounds */
  ratio: number | null;
  target: Target | null;
  /** null: no target, or not measured */
  met: boolean | null;
  /** messages that the bus lost, doubled or changed */
  wrong: number;
  /** messages that the peer lost, doubled or changed: some of them promise at least once */
  peerWrong: number;
  note: string;
}

export type RowDraft = Pick<Row, 'work' | 'unit'> & Partial<Omit<Row, 'met'>>;

/** Fills a row up and judges it. */
export function row(draft: RowDraft): Row {
  const whole = {
    value: null,
    peer: '',
    peerValue: null,
    ratio: null,
    target: null,
    wrong: 0,
    peerWrong: 0,
    note: '',
    ...draft,
  };
  const { target } = whole;
  const reached = target === null ? null : whole[target.of];
  return { ...whole, met: target === null || reached === null ? null : isMet(target, reached) };
}

/** A row of runs in pairs, A B A B: medians, and the median of the ratios. */
export function pairRow(
  draft: RowDraft,
  pairs: readonly (readonly [Measurement, Measurement])[],
  of: (measurement: Measurement) => number,
): Row {
  return row({
    ...draft,
    value: median(pairs.map(([mine]) => of(mine))),
    peerValue: median(pairs.map(([, theirs]) => of(theirs))),
    ratio: median(pairs.map(([mine, theirs]) => of(mine) / of(theirs))),
    wrong: pairs.reduce((sum, [{ wrong }]) => sum + wrong, 0),
    peerWrong: pairs.reduce((sum, [, { wrong }]) => sum + wrong, 0),
  });
}

/** Not measured, and why. */
export function skipped(draft: RowDraft, why: string): Row {
  return row({ ...draft, note: `not measured: ${why}` });
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
}

export function renderRows(rows: readonly Row[]): string {
  const head = ['work', 'unit', 'bus', 'peer', 'peer value', 'ratio', 'target', 'met', 'wrong', 'of the peer'];
  const lines = rows.map((each) => [
    each.work,
    each.unit,
    rounded(each.value),
    each.peer,
    rounded(each.peerValue),
    each.ratio === null ? '' : each.ratio.toFixed(2),
    targetText(each.target),
    each.met === null ? '-' : each.met ? 'yes' : 'NO',
    `${each.wrong}`,
    each.peer === '' ? '' : `${each.peerWrong}`,
  ]);
  const notes = rows.filter(({ note }) => note !== '').map(({ work, peer, note }) => `${work}, ${peer}: ${note}`);
  return `${[...columns([head, ...lines]), '', ...notes].join('\n')}\n`;
}

function targetText(target: Target | null): string {
  if (target === null) return '';
  const sign = { atLeast: '>=', below: '<', atMost: '<=' }[target.is];
  return `${target.of === 'ratio' ? 'ratio ' : ''}${sign} ${target.limit}`;
}

function isMet({ is, limit }: Target, value: number): boolean {
  if (is === 'atLeast') return value >= limit;
  return is === 'below' ? value < limit : value <= limit;
}

function rounded(value: number | null): string {
  if (value === null || Number.isNaN(value)) return '';
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en')
    : value.toLocaleString('en', { maximumFractionDigits: 2 });
}
