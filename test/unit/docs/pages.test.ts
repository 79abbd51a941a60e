import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { defencesOf } from '../../../attack/attack.ts';
import { attacks } from '../../../attack/catalogue.ts';
import { lies } from '../../../attack/liars.ts';
import { defences } from '../../../attack/without.ts';
import { takeOut } from '../../../campaign/broken.ts';
import { metricsPage } from '../../../docs/metrics-page.ts';
import { cliPage, errorsPage, securityPage } from '../../../docs/pages.ts';
import { errorRegistry } from '../../../src/errors.ts';

const root = new URL('../../../', import.meta.url).pathname;
const docs = (name: string): Promise<string> => readFile(join(root, 'docs', name), 'utf8');

test('docs/errors.md says what the registry says: npm run docs', async () => {
  expect(await docs('errors.md')).toBe(errorsPage());
});

test('docs/metrics.md describes the series that there are: npm run docs', async () => {
  expect(await docs('metrics.md')).toBe(metricsPage());
});

test('docs/cli.md says what --help says: npm run docs', async () => {
  expect(await docs('cli.md')).toBe(await cliPage(await docs('cli-preamble.md')));
});

test('docs/security.md says what rights the code grants: npm run docs', async () => {
  const page = await docs('security.md');
  expect(page).toContain('| `mb.l.SITE.PEER.>` |');
  expect(page).toBe(securityPage(page));
});

test('docs/security.md names every case of the attack run, and no other', async () => {
  const page = await docs('security.md');
  const named = new Set(page.slice(page.indexOf('## The cases')).match(/\b[TLKC]\d+\b/g));
  expect([...named].sort()).toEqual(attacks.map(({ id }) => id).sort());
});

test('every defence that can be left out, and every lie, is found in the source', async () => {
  for (const [name, broken] of Object.entries({ ...defences, ...lies })) {
    const text = await readFile(join(root, broken.file), 'utf8');
    expect(takeOut(text, broken), name).not.toBe(text);
  }
  const used = new Set(attacks.flatMap(defencesOf));
  expect([...used].sort()).toEqual(Object.keys(defences).sort());
});

test('every verb has an example', async () => {
  const sections = (await docs('cli.md')).split(/^## (?=mbus )/m).slice(1);
  expect(sections.length).toBeGreaterThan(40);
  expect(sections.filter((section) => !/^Examples?:/m.test(section)).map((section) => section.split('\n')[0])).toEqual(
    [],
  );
});

test('every code has a sentence and a way out', () => {
  for (const [code, { summary, remedy }] of Object.entries(errorRegistry)) {
    expect(`${code}: ${summary}`).toMatch(/\.$/);
    expect(`${code}: ${remedy}`).toMatch(/\.$/);
  }
});

test('every code that the source or a page names is in the registry, and every entry is used', async () => {
  const files = (await readdir(root, { recursive: true })).filter((name) => /^(src|cli|docs)\/.*\.(ts|md)$/.test(name));
  const source = files.filter((name) => name.endsWith('.ts') && name !== 'src/errors.ts');
  const named = await codesIn(
    files.filter((name) => name !== 'docs/errors.md'),
    /\bE_[A-Z]+(?:_[A-Z]+)*\b(?!_?\*|…)/g,
  );
  const thrown = await codesIn(source, /'E_[A-Z_]+'/g);
  const known = Object.keys(errorRegistry);
  expect([...named].filter((code) => !known.includes(code) && !isFamily(code, known))).toEqual([]);
  expect(known.filter((code) => !thrown.has(`'${code}'`))).toEqual([]);
});

async function codesIn(files: readonly string[], pattern: RegExp): Promise<Set<string>> {
  const texts = await Promise.all(files.map((name) => readFile(join(root, name), 'utf8')));
  return new Set(texts.flatMap((text) => text.match(pattern) ?? []));
}

/** Comments name families, `E_TOKEN_*`; the pattern leaves `E_TOKEN`. */
function isFamily(code: string, known: readonly string[]): boolean {
  return code === 'E_CODE' || known.some((other) => other.startsWith(`${code}_`));
}
