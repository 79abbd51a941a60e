/** `mbus apply`: brings a bus to what the file says; on a lab's directory it starts and stops what that needs. */
import type { Command } from 'commander';
import { changesText, type ForceOption, forceOption, isLabDir, withControl } from '../control-verb.ts';
import { controlDir } from '../options.ts';
import { printResult } from '../output.ts';
import { type FileOptions, fileVerb, readBusFile } from './file.ts';

export function register(program: Command): void {
  fileVerb(program, 'apply', 'bring the bus to what the file says; all of it or nothing', [
    'mbus apply -f bus.yaml',
    'mbus apply -f bus.yaml --dir ./lab',
  ])
    .addOption(forceOption())
    .action(apply);
}

async function apply({ file, force, ...options }: FileOptions & ForceOption): Promise<void> {
  const { text, bus } = await readBusFile(file);
  const dir = controlDir(options);
  if (isLabDir(dir)) {
    const { labApply } = await import('../../src/lab/index.ts');
    const result = await labApply(dir, text, file, { force });
    return printResult(options.json, result, () => changesText(result.changes));
  }
  const result = await withControl(options, (control) => control.call('bus.apply', { file: bus, force }));
  printResult(options.json, result, () => changesText(result.changes));
}
