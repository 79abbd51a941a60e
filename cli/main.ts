/**
 * The command line. `run` builds a fresh program, loads only the noun it was asked for, and turns every error into one
 * line with its code and the way out. Results go to stdout, talk goes to stderr.
 * Exit codes: 0 done, 1 failed, 2 bad usage or configuration.
 */
import { CommanderError } from 'commander';
import { readEnv } from '../src/config/env.ts';
import { BusError, errorText, isBusError } from '../src/errors.ts';
import { printPage } from './help/pages.ts';
import { nouns } from './nouns.ts';
import { buildProgram } from './program.ts';

/** Runs one command line (as process.argv: node and script first) and answers its exit code. */
export async function run(argv: string[]): Promise<number> {
  const asked = argv[2] === 'help' ? argv[3] : argv[2];
  try {
    if (argv[2] === 'help' && argv[3] !== undefined && !Object.hasOwn(nouns, argv[3])) return printPage(argv[3]);
    const program = await buildProgram((noun) => noun === asked);
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error);
    printError(error);
    return isBusError(error, 'E_USAGE', 'E_CONFIG', 'E_NAME') ? 2 : 1;
  }
}

// commander has printed its message or the help text already
function usageExit(error: CommanderError): number {
  if (error.exitCode === 0) return 0;
  if (error.code !== 'commander.help') process.stderr.write('  Run the command with --help.\n');
  return 2;
}

function printError(error: unknown): void {
  const known = error instanceof BusError ? error : new BusError('E_INTERNAL', errorText(error), { cause: error });
  process.stderr.write(`mbus: ${known.code}: ${known.message}\n  ${known.remedy}\n`);
  if (isDebug()) process.stderr.write(`${error instanceof Error ? error.stack : errorText(error)}\n`);
}

function isDebug(): boolean {
  try {
    return readEnv().isDebug;
  } catch {
    return false;
  }
}
