/** `mbus explain`: what an error code means, what the bus does about it, and the way out. */
import type { Command } from 'commander';
import { type Disposition, type ErrorEntry, errorRegistry } from '../../src/errors.ts';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption, usage } from '../options.ts';
import { printResult, table } from '../output.ts';

/** what the bus does with the thing it was working on */
const dispositions: Record<Disposition, string> = {
  retry: 'The bus keeps what it concerns and tries again by itself.',
  park: 'The bus keeps what it concerns, shows it in mbus status and goes on with the rest; somebody has to do something.',
  reject: 'Nothing was changed: who asked is told.',
  fatal: 'The process that met it ends; started again, it goes on from its stored state.',
};

const mostSuggested = 5;

export function register(program: Command): void {
  program
    .command('explain')
    .argument('[code]', 'an error code, with or without E_; without one all are listed')
    .description('say what an error code means, what the bus does about it, and the way out')
    .addOption(jsonOption())
    .addHelpText('after', exampleText(['mbus explain E_LINK_DOWN', 'mbus explain link_down', 'mbus explain --json']))
    .action(explain);
}

function explain(text: string | undefined, { json }: JsonOption): void {
  const registry: Record<string, ErrorEntry> = errorRegistry;
  if (text === undefined) {
    list(json, registry);
    return;
  }
  const code = text
    .toUpperCase()
    .replaceAll('-', '_')
    .replace(/^(E_)?/, 'E_');
  const entry = registry[code];
  if (entry === undefined) throw usage(`there is no error code ${code}${suggestions(code, Object.keys(registry))}`);
  const { disposition, summary, remedy } = entry;
  printResult(json, { code, disposition, summary, remedy }, () =>
    [code, `  ${summary}`, `  ${dispositions[disposition]}`, '', `  The way out: ${remedy}`].join('\n'),
  );
}

function list(json: boolean | undefined, registry: Record<string, ErrorEntry>): void {
  const rows = Object.entries(registry).map(([code, entry]) => ({ code, ...entry }));
  rows.sort((a, b) => (a.code < b.code ? -1 : 1));
  printResult(json, rows, () =>
    table([['CODE', 'WHAT HAPPENED'], ...rows.map(({ code, summary }) => [code, summary])]),
  );
}

/** Codes that share a word with what was asked. */
function suggestions(code: string, all: readonly string[]): string {
  const words = code
    .split('_')
    .slice(1)
    .filter((word) => word.length > 2);
  const near = all.filter((each) => words.some((word) => each.includes(word))).slice(0, mostSuggested);
  return near.length === 0 ? '' : `; did you mean ${near.join(', ')}?`;
}
