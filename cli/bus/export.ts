/** `mbus export`: the bus as a file that apply takes. */
import type { Command } from 'commander';
import { type ControlOptions, controlVerb, withControl } from '../control-verb.ts';
import { printResult } from '../output.ts';

export function register(program: Command): void {
  controlVerb(program, 'export', 'print the bus as a file that apply takes', ['mbus export > bus.yaml']).action(
    exportBus,
  );
}

async function exportBus(options: ControlOptions): Promise<void> {
  const { formatBusFile } = await import('../../src/config/format.ts');
  const result = await withControl(options, (control) => control.call('bus.export', {}));
  printResult(options.json, result, () => formatBusFile(result.file).trimEnd());
}
