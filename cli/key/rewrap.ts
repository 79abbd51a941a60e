/** `mbus key rewrap`: a new master key for everything the database keeps encrypted. */
import type { Command } from 'commander';
import { readEnv } from '../../src/config/env.ts';
import { exampleText } from '../control-verb.ts';
import { controlDir, controlDirOption, type DirOption, type JsonOption, jsonOption, usage } from '../options.ts';
import { printResult } from '../output.ts';

interface RewrapOptions extends DirOption, JsonOption {
  toFile?: string;
  toCommand?: string;
}

export function addRewrap(key: Command): void {
  key
    .command('rewrap')
    .description('encrypt all stored secrets under a new master key, in one transaction')
    .addOption(controlDirOption())
    .option(
      '--to-file <file>',
      'the new key; made, mode 0600, when it is not there (default: in the place of master.key)',
    )
    .option('--to-command <command>', 'a command that prints the new key')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${exampleText(['mbus key rewrap', 'mbus key rewrap --to-file /etc/mbus/master.key'])}${notes}`,
    )
    .action(rewrap);
}

const notes = `

The key in use comes from where the control plane takes it: MBUS_MASTER_KEY_FILE, MBUS_MASTER_KEY, MBUS_MASTER_KEY_COMMAND, or
master.key in the directory. Replicas that run read it again when they need it; a variable needs a restart. An embedded
database needs its control plane stopped.`;

async function rewrap({ dir, json, toFile, toCommand }: RewrapOptions): Promise<void> {
  if (toFile !== undefined && toCommand !== undefined) throw usage('--to-file and --to-command exclude each other');
  const { databaseUrl, masterKey: from } = readEnv();
  if (from !== undefined && toFile === undefined && toCommand === undefined) {
    throw usage('say where the new key is, with --to-file or --to-command: the one in use is not in the directory');
  }
  const to = toFile !== undefined ? { file: toFile } : toCommand !== undefined ? { command: toCommand } : undefined;
  const { rewrapMasterKey } = await import('../../src/control.ts');
  const result = await rewrapMasterKey({ dir: controlDir({ dir }), databaseUrl, from, to });
  printResult(
    json,
    result,
    () => `${result.secrets + result.topicKeys} secrets are under master key ${result.masterKeyId}`,
  );
}
