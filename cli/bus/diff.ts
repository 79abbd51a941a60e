/** `mbus diff`: what apply would change. */
import type { Command } from 'commander';
import { changesText, withControl } from '../control-verb.ts';
import { printResult } from '../output.ts';
import { type FileOptions, fileVerb, readBusFile } from './file.ts';

export function register(program: Command): void {
  fileVerb(program, 'diff', 'show what apply would change, and change nothing', ['mbus diff -f bus.yaml']).action(diff);
}

async function diff({ file, ...options }: FileOptions): Promise<void> {
  const { bus } = await readBusFile(file);
  const result = await withControl(options, (control) => control.call('bus.diff', { file: bus }));
  printResult(options.json, result, () => changesText(result.changes));
}
