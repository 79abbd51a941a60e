/**
 * The command line. `run` builds a fresh program, loads only the noun it was asked for, and turns every error into one
 * line with its code and the way out. Results go to stdout, talk goes to stderr.
 * Exit codes: 0 done, 1 failed, 2 bad usage or configuration.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { readEnv } from '../src/config/env.ts';
import { BusError, errorText, isBusError } from '../src/errors.ts';
import { nouns } from './nouns.ts';

/** Runs one command line (as process.argv: node and script first) and answers its exit code. */
export async function run(argv: string[]): Promise<number> {
  try {
    const program = await buildProgram(argv[2] === 'help' ? argv[3] : argv[2]);
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error);
    printError(error);
    return isBusError(error, 'E_USAGE', 'E_CONFIG', 'E_NAME') ? 2 : 1;
  }
}

/** Only the noun named on the command line brings its verbs, so that --help and completion stay quick. */
async function buildProgram(asked: string | undefined): Promise<Command> {
  const program = new Command('mbus')
    .description('One message bus across LANs and the Internet: topics, groups, routing and sealed envelopes on NATS')
    .version(version(), '-V, --version')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`mbus: E_USAGE: ${text.replace(/^error: /, '')}`) })
    .addHelpText('after', rootExamples);
  for (const [name, { summary, load }] of Object.entries(nouns)) {
    if (name === asked) (await load()).register(program);
    else program.command(name).summary(summary).description(summary);
  }
  return program;
}

const rootExamples = `
Examples:
  $ mbus lab up bus.yaml --dir ./lab          a whole bus on this machine
  $ mbus init && mbus control run             a control plane of your own
  $ mbus apply -f bus.yaml                    bring it to what the file says
  $ mbus status                               what is up, what waits, and why

Each noun and verb has its own --help. --json prints one JSON document on stdout.
Exit codes: 0 done, 1 failed, 2 bad usage or configuration.`;

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

/** The package's version, from the package.json above the source or above dist/. */
function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      return String(JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')).version);
    } catch {
      // the other place
    }
  }
  return 'unknown';
}
