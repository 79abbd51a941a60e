/**
 *   tokyo (servers 1 2 3, sidecars 1 2) ══ frankfurt     plain clients at both publish and consume meanwhile
 *
 * The program that shows it, run as it is: demo/redundant.ts.
 */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';

interface Outcome {
  ok: boolean;
  confirmed: Record<string, number>;
  groups: Record<string, { delivered: number; lost: number; doubled: number }>;
  faults: { what: string; takeoverMs?: number; gapsMs: Record<string, number> }[];
}

function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['demo/redundant.ts', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, ...output }));
  });
}

test("a stream's leader is killed and comes back, the sidecar at work is killed, then stopped: nothing is lost or doubled", {
  timeout: 600_000,
}, async () => {
  const { code, stdout, stderr } = await run('--json');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const { ok, confirmed, groups, faults } = JSON.parse(stdout) as Outcome;
  expect(ok).toBe(true);
  expect(Object.keys(groups)).toEqual(['trade@risk', 'trade@audit', 'order@desk']);
  for (const [name, { delivered, lost, doubled }] of Object.entries(groups)) {
    expect({ name, lost, doubled }).toEqual({ name, lost: 0, doubled: 0 });
    expect(delivered).toBe(confirmed[name.split('@')[0] ?? '']);
  }
  const takeovers = faults.flatMap(({ takeoverMs }) => takeoverMs ?? []);
  expect(takeovers).toHaveLength(2);
  process.stdout.write(`${faults.map(({ what, takeoverMs }) => `${what}: ${takeoverMs ?? '-'} ms`).join('\n')}\n`);
});

test('bad usage is told and starts nothing', async () => {
  const { code, stderr } = await run('--rate', 'many');
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('--rate') });
});
