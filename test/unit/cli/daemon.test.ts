import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

function run(error: string): { status: number | null; stdout: string; stderr: string } {
  const program = join(import.meta.dirname, 'daemon-process.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, error], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('a daemon survives a write of the NATS client that comes too late', () => {
  const { status, stdout, stderr } = run('late-write');
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'still there\n' });
  expect(stderr).toContain('nats.late-write');
});

test('any other error that escapes ends it, with its stack', () => {
  const { status, stdout, stderr } = run('other');
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toContain('sendByNodeTransport');
});
