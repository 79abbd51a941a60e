import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/guarantees.md'), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, first]) => first !== 'sentence' && !first?.startsWith('---'));

test('every sentence of docs/guarantees.md names a test file that exists and has tests', () => {
  expect(rows.length).toBeGreaterThan(30);
  for (const [, sentence = '', shownBy = ''] of rows) {
    expect(sentence).toMatch(/\.$/);
    const name = /^`(test\/[\w/-]+\.test\.ts)`$/.exec(shownBy)?.[1];
    expect([sentence, name]).toEqual([sentence, expect.any(String)]);
    const path = join(root, name ?? '');
    expect([name, existsSync(path)]).toEqual([name, true]);
    expect(readFileSync(path, 'utf8')).toMatch(/^(test|describe)\b/m);
  }
});
