import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { breaks, takeOut } from '../../../campaign/broken.ts';

test.each(Object.entries(breaks))('%s finds the lines it takes out', async (_, broken) => {
  const text = await readFile(new URL(`../../../${broken.file}`, import.meta.url), 'utf8');
  expect(takeOut(text, broken)).not.toBe(text);
  expect(() => takeOut(takeOut(text, broken), broken)).toThrow('has not exactly one');
});
