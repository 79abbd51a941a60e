/**
 * Runs `mbus` as a person would, cli/mbus.js as a process of its own; or in this process, where a verb is asked often and
 * neither stdin nor variables matter: starting a process takes most of a short command's time.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { run } from '../../cli/main.ts';

const entry = fileURLToPath(new URL('../../cli/mbus.js', import.meta.url));

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
}

/** Resolves when it has ended, whatever its exit code. */
export function mbus(args: readonly string[], { input = '', env = {}, cwd }: CliOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [entry, ...args], { cwd, env: { ...process.env, ...env } });
    const result: CliResult = { code: null, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      result.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      result.stderr += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ ...result, code }));
    child.stdin.on('error', () => {}).end(input);
  });
}

let turn: Promise<unknown> = Promise.resolve();

/** The same in this process: whatever it writes meanwhile counts as the command's, so one runs at a time. */
export function mbusHere(args: readonly string[]): Promise<CliResult> {
  const mine = turn.then(() => runHere(args));
  turn = mine.catch(() => undefined);
  return mine;
}

async function runHere(args: readonly string[]): Promise<CliResult> {
  const result: CliResult = { code: null, stdout: '', stderr: '' };
  const writes = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const write = stream.write;
    stream.write = (text: string | Uint8Array) => {
      result[name] += Buffer.from(text).toString('utf8');
      return true;
    };
    return { stream, write };
  });
  try {
    result.code = await run(['node', 'mbus', ...args]);
    return result;
  } finally {
    for (const { stream, write } of writes) stream.write = write;
  }
}

/** The one JSON document of a verb that must have worked. */
export async function mbusJson<T>(args: readonly string[], options?: CliOptions): Promise<T> {
  return documentOf(args, await mbus([...args, '--json'], options));
}

export async function mbusJsonHere<T>(args: readonly string[]): Promise<T> {
  return documentOf(args, await mbusHere([...args, '--json']));
}

function documentOf<T>(args: readonly string[], { code, stdout, stderr }: CliResult): T {
  if (code !== 0) throw new Error(`mbus ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
