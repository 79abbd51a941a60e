/** `mbus help PAGE`: the pages of docs/, which come with the program. Their first line is their title. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { usage } from '../options.ts';
import { table } from '../output.ts';

const beside = new URL('../../docs/', import.meta.url);
const packaged = new URL('../../../docs/', import.meta.url);
/** part of another page, and the list of them */
const hidden = new Set(['cli-preamble', 'README']);

/** Prints a page, or with `topics` their list; the exit code. E_USAGE when there is no such page. */
export function printPage(name: string): number {
  const directory = import.meta.url.includes('/dist/') ? packaged : beside;
  const names = readdirSync(directory)
    .filter((file) => file.endsWith('.md'))
    .map((file) => file.slice(0, -'.md'.length))
    .filter((page) => !hidden.has(page));
  if (name === 'topics') {
    const rows = names.map((page) => [page, titleOf(readFileSync(new URL(`${page}.md`, directory), 'utf8'))]);
    process.stdout.write(`${table([['PAGE', 'ABOUT'], ...rows])}\n\nRead one with mbus help PAGE.\n`);
    return 0;
  }
  const file = new URL(`${name}.md`, directory);
  if (!names.includes(name) || !existsSync(file))
    throw usage(`there is no command and no page ${name}: see mbus help topics`);
  process.stdout.write(readFileSync(file, 'utf8'));
  return 0;
}

function titleOf(page: string): string {
  return /^# (.+)$/m.exec(page)?.[1] ?? '';
}
