import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const entry = join(import.meta.dirname, '../../../cli/mbus.js');
/** tells of each program that a process runs, one after the other: its number and what V8 was told */
const witness = join(import.meta.dirname, 'heap-process.ts');

function run(args: string[], options = ''): string[] {
  const env = { ...process.env, NODE_OPTIONS: `--import ${witness} ${options}` };
  const { stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: 'utf8', env });
  return stderr.split('\n').filter((line) => line.startsWith('program '));
}

test('a sidecar runs with a small heap, as the process that was started', () => {
  const [first = '', second = '', ...rest] = run(['sidecar', 'run', '--dir', '/nonexistent']);
  expect(rest).toEqual([]);
  expect(second).toBe(`${first} --max-semi-space-size=8 --max-old-space-size=1024`);
});

test('who gives a size of his own keeps it', () => {
  expect(run(['sidecar', 'run', '--dir', '/nonexistent'], '--max-old-space-size=4096')).toHaveLength(1);
});

test('other commands start once', () => {
  expect(run(['--version'])).toHaveLength(1);
});
