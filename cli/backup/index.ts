/** The verbs of `mbus backup`: the metadata of a bus in one encrypted file, and back. */
import type { Command } from 'commander';
import type { BackupFacts } from '../../src/backup/index.ts';
import { readEnv } from '../../src/config/env.ts';
import { exampleText } from '../control-verb.ts';
import { controlDir, controlDirOption, type DirOption, type JsonOption, jsonOption, usage } from '../options.ts';
import { printResult } from '../output.ts';

interface BackupOptions extends DirOption, JsonOption {
  keyFile?: string;
}

const keyNote = `

The backup key (32 bytes, raw or as hex or base64) comes from --key-file, MBUS_BACKUP_KEY_FILE, MBUS_BACKUP_KEY, or a command
in MBUS_BACKUP_KEY_COMMAND. Keep it apart from the backups, and the master key apart from both: the master key is in no backup.`;

export function register(program: Command): void {
  const backup = program.command('backup').description('the metadata of a bus in one encrypted file, and back');
  verb(backup, 'create <file>', 'write a backup of the metadata; the control plane may run', [
    'mbus backup create /backup/bus-1.mbus --key-file /etc/mbus/backup.key',
  ])
    .addOption(controlDirOption())
    .action(create);
  verb(backup, 'verify <file>', 'read a whole backup and say what is in it', [
    'mbus backup verify /backup/bus-1.mbus',
  ]).action(verify);
  verb(backup, 'restore <file>', 'fill an empty database from a backup', [
    'mbus init --dir /var/lib/mbus --leaf-listen 0.0.0.0:7433 --advertise bus.example.net:7433',
    'cp /safe/master.key /var/lib/mbus/master.key',
    'mbus backup restore /backup/bus-1.mbus --dir /var/lib/mbus',
  ])
    .addOption(controlDirOption())
    .action(restore);
}

function verb(backup: Command, usageText: string, description: string, examples: string[]): Command {
  return backup
    .command(usageText)
    .description(description)
    .option('--key-file <file>', 'the backup key; `create` makes it, mode 0600, when it is not there')
    .addOption(jsonOption())
    .addHelpText('after', `${exampleText(examples)}${keyNote}`);
}

async function create(file: string, options: BackupOptions): Promise<void> {
  const { backupControl } = await import('../../src/control.ts');
  const facts = await backupControl({ ...where(options), file, key: keyOf(options) });
  printResult(options.json, { file, ...facts }, () => factsText(file, facts));
}

async function verify(file: string, options: BackupOptions): Promise<void> {
  const { verifyControlBackup } = await import('../../src/control.ts');
  const facts = await verifyControlBackup({ file, key: keyOf(options) });
  printResult(options.json, { file, ...facts }, () => factsText(file, facts));
}

async function restore(file: string, options: BackupOptions): Promise<void> {
  const { restoreControl } = await import('../../src/control.ts');
  const facts = await restoreControl({ ...where(options), file, key: keyOf(options) });
  printResult(
    options.json,
    { file, ...facts },
    () => `${factsText(file, facts)}\nrestored: start it with mbus control run`,
  );
}

function where(options: BackupOptions) {
  const { databaseUrl, masterKey } = readEnv();
  return { dir: controlDir(options), databaseUrl, masterKey };
}

function keyOf({ keyFile }: BackupOptions): { file: string } | { text: string } | { command: string } {
  const key = keyFile === undefined ? readEnv().backupKey : { file: keyFile };
  if (key === undefined) throw usage('name the backup key: --key-file, or one of MBUS_BACKUP_KEY…');
  return key;
}

function factsText(file: string, { createdAt, busId, version, masterKeyId, migration, rows }: BackupFacts): string {
  const counts = ['sites', 'customers', 'terminals', 'topics', 'groups', 'apps', 'audit'].map(
    (t) => `${rows[t] ?? 0} ${t}`,
  );
  return [
    `${file}: whole, made ${createdAt}`,
    `  bus ${busId}, version ${version}, tables of ${migration}`,
    `  ${counts.join(', ')} rows`,
    `  its secrets need master key ${masterKeyId ?? '(none yet)'}`,
  ].join('\n');
}
