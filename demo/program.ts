/**
 * What the programs beside the product share - demo, campaign, attack, fuzz, simulation, benches: talk on stderr, the result
 * on stdout, an error as one line with the way out, and exit codes. 0: held; 1: something did not; 2: bad usage or input.
 */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { BusError, errorText, isBusError } from '../src/errors.ts';

type Values<O extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

export interface Program<O extends ParseArgsOptionsConfig> {
  /** stands before its errors */
  name: string;
  /** what --help prints, ends with a newline */
  usage: string;
  options: O;
  /** resolves with the exit code */
  run: (values: Values<O>) => Promise<number>;
}

/** Parses the command line, runs, and sets the exit code of the process. */
export async function runProgram<O extends ParseArgsOptionsConfig>(program: Program<O>): Promise<void> {
  process.exitCode = await start(program).catch((error: unknown) => tellError(program.name, error));
}

/** E_USAGE unless the text is a whole number of at least `least`. */
export function wholeNumber(option: string, text: string, least = 0): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw new BusError('E_USAGE', `--${option}: a whole number, ${least} or more (got ${text})`);
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function start<O extends ParseArgsOptionsConfig>({ usage, options, run }: Program<O>): Promise<number> {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(usage);
    return 0;
  }
  return run(valuesOf(options));
}

function valuesOf<O extends ParseArgsOptionsConfig>(options: O): Values<O> {
  try {
    return parseArgs({ options }).values;
  } catch (cause) {
    throw new BusError('E_USAGE', errorText(cause), { cause });
  }
}

function tellError(name: string, error: unknown): number {
  say(`${name}: ${isBusError(error) ? error.code : 'E_INTERNAL'}: ${errorText(error)}`);
  if (isBusError(error)) say(`  ${error.remedy}`);
  if (process.env.MBUS_DEBUG === '1' && error instanceof Error) say(`${error.stack}`);
  return isBusError(error, 'E_USAGE', 'E_CONFIG', 'E_NAME') ? 2 : 1;
}
