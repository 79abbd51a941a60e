/** What the verbs of the declared file share. */
import type { Command } from 'commander';
import type { BusFile } from '../../src/config/bus-file.ts';
import { type ControlOptions, controlVerb } from '../control-verb.ts';
import { readTextFile } from '../files.ts';

export interface FileOptions extends ControlOptions {
  file: string;
}

export function fileVerb(program: Command, name: string, description: string, examples: readonly string[]): Command {
  return controlVerb(program, name, description, examples).requiredOption('-f, --file <file>', 'the bus file');
}

/** The bus that a file declares. E_FILE, E_CONFIG. */
export async function readBusFile(path: string): Promise<{ text: string; bus: BusFile }> {
  const { parseBusFile } = await import('../../src/config/parse.ts');
  const text = await readTextFile(path);
  return { text, bus: parseBusFile(text, path) };
}
