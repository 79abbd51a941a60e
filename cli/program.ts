/** The command line's grammar: the root, and the nouns below it, each loaded only when it is wanted. */
import { Command } from 'commander';
import { programVersion } from '../src/version.ts';
import { nouns } from './nouns.ts';

/** A fresh program. Nouns of which `isWanted` says no stand there with a summary only, so that --help is quick. */
export async function buildProgram(isWanted: (noun: string) => boolean): Promise<Command> {
  const program = new Command('mbus')
    .description('One message bus across LANs and the Internet: topics, groups, routing and sealed envelopes on NATS')
    .version(programVersion(), '-V, --version')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`mbus: E_USAGE: ${text.replace(/^error: /, '')}`) })
    .addHelpText('after', rootExamples);
  for (const [name, { summary, load }] of Object.entries(nouns)) {
    if (isWanted(name)) (await load()).register(program);
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
mbus help topics lists the pages of the manual; mbus explain E_CODE says what an error means.
Exit codes: 0 done, 1 failed, 2 bad usage or configuration.`;
