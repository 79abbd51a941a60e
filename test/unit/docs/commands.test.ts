/** Every command of the README and of docs/ is one that the program has: its noun, its verb, its options. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { buildProgram } from '../../../cli/program.ts';

const root = new URL('../../../', import.meta.url);
const pages = ['README.md', ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

/** Words after `mbus`, for each command in the page's shell blocks. */
function commandsIn(page: string): string[][] {
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
  const lines = blocks.join('\n').replaceAll('\\\n', ' ').split('\n');
  return lines.flatMap((line) => {
    const plain = line.replace(/(^|\s)#.*$/, '').replace(/'[^']*'/g, 'TEXT');
    return [...plain.matchAll(/(?:^|[\s(;|&])mbus ([^|;&)<>]*)/g)].map(([, words]) =>
      (words ?? '').trim().split(/\s+/),
    );
  });
}

/** What is not there; empty when the command is. */
function unknownIn(program: Command, words: readonly string[]): string {
  let command = program;
  let rest = words;
  for (;;) {
    const below = command.commands.find((sub) => sub.name() === rest[0]);
    if (below === undefined) break;
    command = below;
    rest = rest.slice(1);
  }
  if (command === program && words[0] !== 'help') return `no noun ${words[0]}`;
  if (command.commands.length > 0 && command !== program) return `no verb ${rest[0]} of ${command.name()}`;
  const known = new Set([
    '--help',
    '--version',
    ...command.options.flatMap(({ long, short }) => [long ?? '', short ?? '']),
  ]);
  return rest.filter((word) => word.startsWith('-') && word !== '-' && !known.has(word.split('=')[0] ?? '')).join(' ');
}

test('every command of a page exists, with its options', async () => {
  const program = await buildProgram(() => true);
  const found = pages.flatMap((page) =>
    commandsIn(readFileSync(new URL(page, root), 'utf8')).map((words) => ({
      page,
      words: words.join(' '),
      unknown: unknownIn(program, words),
    })),
  );
  expect(found.length).toBeGreaterThan(50);
  expect(found.filter(({ unknown }) => unknown !== '')).toEqual([]);
  expect(unknownIn(program, ['site', 'leave'])).toBe('no verb leave of site');
  expect(unknownIn(program, ['status', '--bogus'])).toBe('--bogus');
});

test('the index of docs/ names every page', () => {
  const index = readFileSync(new URL('docs/README.md', root), 'utf8');
  const own = new Set(['docs/README.md', 'docs/cli-preamble.md', 'README.md']);
  const left = pages.filter((page) => !own.has(page) && !index.includes(`(${page.slice('docs/'.length)})`));
  expect(left).toEqual([]);
  const links = [...index.matchAll(/\]\(([^)]+)\)/g)].map(([, path]) => path ?? '');
  for (const path of links) expect(() => readFileSync(new URL(`docs/${path}`, root)), path).not.toThrow(/ENOENT/);
});

test('files that the README names are there', () => {
  const readme = readFileSync(new URL('README.md', root), 'utf8');
  const named = [...readme.matchAll(/\]\(([^):#]+)\)/g)].map(([, path]) => path ?? '').concat('examples/bus.yaml');
  for (const path of named) expect(() => readFileSync(new URL(path, root)), path).not.toThrow(/ENOENT/);
});
