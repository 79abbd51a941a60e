/** Every command block of the README and of docs/ is run by a test. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { docBlocks, elsewhere, pasted } from '../../support/doc-blocks.ts';

const isProgram = new Set(['sh', 'ts']);
const commands = docBlocks().filter(({ language }) => isProgram.has(language));

test('a test pastes each block, or the reason it does not is told', () => {
  expect(commands.length).toBeGreaterThan(25);
  const keys = new Set(commands.map(({ key }) => key));
  const left = commands.filter(({ page, key }) => !Object.hasOwn(pasted, page) && !Object.hasOwn(elsewhere, key));
  expect(left.map(({ key }) => key)).toEqual([]);
  expect(Object.keys(elsewhere).filter((key) => !keys.has(key))).toEqual([]);
  const runners = [...Object.values(pasted), ...Object.values(elsewhere).map(({ by }) => by)];
  for (const path of runners)
    expect([path, existsSync(new URL(`../../../${path}`, import.meta.url))]).toEqual([path, true]);
});

test('commands stand in blocks that say so', () => {
  const hidden = docBlocks().filter(
    ({ language, text }) => !isProgram.has(language) && /^(\$ )?(mbus|npm|npx|nats|docker|kill) /m.test(text),
  );
  expect(hidden.map(({ key }) => key)).toEqual([]);
});
