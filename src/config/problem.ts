/**
 * What is wrong with a declared bus, and where. Checks collect problems and never stop at the first, so that a person
 * mends a file in one round. A path names the place (`customers[0].links[1].cost`); parse.ts adds the line.
 */
import { BusError } from '../errors.ts';
import { printable } from './names.ts';

export type ProblemPath = readonly (string | number)[];

export interface Problem {
  path: ProblemPath;
  /** plain words, ready to print: what is wrong and, where there is one, the value found */
  text: string;
  /** true when the last step of `path` is a key that should not be there: the line is the key's own */
  isKey?: boolean;
}

/** A problem as it is reported: `line` is null when the bus did not come from a file. */
export interface ReportedProblem {
  line: number | null;
  path: string;
  text: string;
}

/** problems that are told one by one; a file with more is not a bus file */
export const maxListed = 200;

/** `customers[0].topics[2].name`; the empty path is the whole document. */
export function pathText(path: ProblemPath): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${plainKey(step)}`)).join('');
  return text.replace(/^\./, '') || '(document)';
}

function plainKey(key: string): string {
  return /^[A-Za-z0-9_-]{1,64}$/.test(key) ? key : printable(key);
}

/** `(got …)` of a foreign value: short, printable, never a whole tree. */
export function got(value: unknown): string {
  if (value === undefined) return '(got nothing)';
  if (typeof value === 'string') return `(got ${printable(value)})`;
  if (Array.isArray(value)) return `(got a list of ${value.length})`;
  if (typeof value === 'object' && value !== null) return '(got a map)';
  return `(got ${printable(String(value)).slice(1, -1)})`;
}

/** One E_CONFIG for all of them: a line each, and the same as data in `details.problems`. `total`: how many there are. */
export function problemsError(source: string, problems: readonly ReportedProblem[], total = problems.length): BusError {
  const listed = problems.slice(0, maxListed);
  const lines = listed.map(
    ({ line, path, text }) => `${line === null ? source : `${source}:${line}`}: ${path}: ${text}`,
  );
  if (total > listed.length) lines.push(`… and ${total - listed.length} more`);
  const count = total === 1 ? '1 problem' : `${total} problems`;
  return new BusError('E_CONFIG', `${count}\n${lines.join('\n')}`, { details: { source, problems: listed } });
}
