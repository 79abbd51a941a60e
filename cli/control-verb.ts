/**
 * What verbs that talk to the control plane share: their options, the connection, and the one way they change a bus:
 * export it, edit it, check it as a whole, apply it on the condition that nobody changed it meanwhile.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type Loss, lossText } from '../src/api/loss.ts';
import type { Change, ControlClient } from '../src/api/methods.ts';
import type { BusFile } from '../src/config/bus-file.ts';
import { requireBus } from '../src/config/check.ts';
import type { BusDraft } from '../src/config/edit.ts';
import { isBusError } from '../src/errors.ts';
import { controlDir, controlDirOption, type DirOption, type JsonOption, jsonOption } from './options.ts';
import { printResult } from './output.ts';

export type ControlOptions = DirOption & JsonOption;

export interface ForceOption {
  force?: boolean;
}

/** For verbs that may delete what waits: without it such a change is refused, with what would be lost. */
export function forceOption(): Option {
  return new Option('--force', 'also when messages that wait are deleted');
}

/** A verb with --dir and --json and its examples. */
export function controlVerb(noun: Command, usage: string, description: string, examples: readonly string[]): Command {
  return noun
    .command(usage)
    .description(description)
    .addOption(controlDirOption())
    .addOption(jsonOption())
    .addHelpText('after', exampleText(examples));
}

export function exampleText(examples: readonly string[]): string {
  return `\nExample${examples.length === 1 ? '' : 's'}:\n${examples.map((line) => `  $ ${line}`).join('\n')}`;
}

/** Runs `work` with a connection to the control plane of `--dir`; a lab's directory holds one too. */
export async function withControl<T>(options: DirOption, work: (control: ControlClient) => Promise<T>): Promise<T> {
  const { createAdminClient } = await import('../src/api/index.ts');
  const dir = controlDir(options);
  const control = await createAdminClient(isLabDir(dir) ? join(dir, 'control') : dir);
  try {
    return await work(control);
  } finally {
    await control.close();
  }
}

export function isLabDir(dir: string): boolean {
  return existsSync(join(dir, 'lab.json'));
}

/** The bus as the control plane has it. */
export async function readBus(options: DirOption): Promise<BusFile> {
  return withControl(options, async (control) => (await control.call('bus.export', {})).file);
}

/** Changes the bus by `edit` and prints what changed. */
export async function editBus(options: ControlOptions & ForceOption, edit: (bus: BusDraft) => BusDraft): Promise<void> {
  const result = await withControl(options, (control) => tryEdit(control, edit, { force: options.force }, 2));
  printResult(options.json, result, () => changesText(result.changes));
}

async function tryEdit(
  control: ControlClient,
  edit: (bus: BusDraft) => BusDraft,
  { force }: ForceOption,
  attempts: number,
): Promise<{ version: number; changes: Change[] }> {
  const { version, file } = await control.call('bus.export', {});
  const wanted = requireBus(edit(file), 'the bus after this change');
  try {
    return await control.call('bus.apply', { file: wanted, base: version, force });
  } catch (error) {
    if (attempts > 1 && isBusError(error, 'E_BUS_CHANGED')) return tryEdit(control, edit, { force }, attempts - 1);
    throw error;
  }
}

const signs = { add: '+', update: '~', remove: '-' } as const;

/** A line per change, its fields below it. */
export function changesText(changes: readonly Change[]): string {
  if (changes.length === 0) return 'no change';
  return changes
    .flatMap(({ action, noun, name, fields }) => [
      `${signs[action]} ${noun} ${name}`,
      ...fields.map((field) => `    ${field}`),
    ])
    .join('\n');
}

/** What a change would delete, a line each. */
export function lossesText(losses: readonly Loss[]): string {
  return losses.map((loss) => `\n! deletes ${lossText(loss)}`).join('');
}
