/** Options that many verbs share: one wording, one default, one check each. */
import { InvalidArgumentError, Option } from 'commander';
import { readEnv } from '../src/config/env.ts';
import { profileDir } from '../src/config/profiles.ts';
import { BusError } from '../src/errors.ts';

export interface DirOption {
  dir?: string;
}

export interface JsonOption {
  json?: boolean;
}

/** `--dir` of the control plane; see `controlDir`. */
export function controlDirOption(): Option {
  return new Option(
    '--dir <dir>',
    "the control plane's directory (default: MBUS_DIR, else the profile in use, else ./mbus-control)",
  );
}

/** `--dir` of a site. */
export function siteDirOption(): Option {
  return new Option('--dir <dir>', "the site's directory").makeOptionMandatory();
}

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON document on stdout');
}

export function controlDir(options: DirOption): string {
  const env = readEnv();
  return options.dir ?? env.dir ?? profileDir(env) ?? './mbus-control';
}

/** An option's `host:port`; port 0 takes a free one. */
export function hostPort(text: string): string {
  const port = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text)?.[1];
  if (port === undefined || Number(port) > 65_535) throw new InvalidArgumentError('Use host:port.');
  return text;
}

/** An option's `http://host:port`. */
export function proxyUrl(text: string): string {
  if (!text.startsWith('http://')) throw new InvalidArgumentError('Use http://host:port.');
  return `http://${hostPort(text.slice('http://'.length))}`;
}

/** An option's `https://host` or `http://host:port`, without a path. */
export function origin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || !['', '/'].includes(url.pathname + url.search + url.hash))
    throw new InvalidArgumentError('Use https://host, without a path.');
  return url.origin;
}

/** A whole number of at least `min` and, where it is given, at most `max`. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Use a whole number ${range}.`);
    }
    return value;
  };
}

const unitMs: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An option's `30d`, `12h`, `45m` or `90s`, as milliseconds. */
export function duration(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (unitMs[unit] ?? 0);
  if (!(ms > 0)) throw new InvalidArgumentError('Use a number and s, m, h or d.');
  return ms;
}

/** Gathers an option that may be given several times. */
export function collect(text: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), text];
}

/** For what the option parser cannot say: options that exclude or need each other. */
export function usage(message: string): BusError {
  return new BusError('E_USAGE', message);
}
