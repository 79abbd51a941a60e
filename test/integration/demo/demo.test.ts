/**
 *  npm run demo as a stranger runs it: three sites, two customers, every process of its own
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { eventually, testScope } from '../../support/nats-server.ts';

const scope = testScope();
const demoMs = 180_000;

interface DemoProcess {
  stdout: () => string;
  stderr: () => string;
  interrupt(): void;
  exited: Promise<number | null>;
}

function startDemo(...args: string[]): DemoProcess {
  const child = spawn(process.execPath, ['demo/main.ts', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => (text[name] += chunk));
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  scope.onEnd(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  return { stdout: () => text.stdout, stderr: () => text.stderr, interrupt: () => child.kill('SIGINT'), exited };
}

/** Command lines of processes that name `dir`. */
function processesOf(dir: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter((commandLine) => commandLine.includes(dir));
}

function labDirOf(demo: DemoProcess): string {
  return /starting three sites in (\S+)/.exec(demo.stderr())?.[1] ?? 'no directory said';
}

it('delivers a small feed whole, sealed and isolated, and leaves nothing behind', { timeout: demoMs }, async () => {
  const lines = Array.from({ length: 300 }, (_, n) => {
    const kind = ['trade', 'bookTicker', 'depth@100ms'][n % 3];
    return `172316160000165${1000 + n} {"stream":"btcusdt@${kind}","data":{"number":${n},"text":"${'x'.repeat(n)}"}}`;
  });
  const input = join(scope.dir('mbus-demo-input'), 'feed.gz');
  writeFileSync(input, gzipSync(lines.join('\n')));
  const demo = startDemo('--json', '--input', input);
  expect(await demo.exited, demo.stderr()).toBe(0);
  const document = JSON.parse(demo.stdout()) as Record<string, unknown>;
  expect(Object.keys(document)).toEqual(['ok', 'published', 'groups', 'wire', 'isolation', 'seconds']);
  expect(document).toMatchObject({ ok: true, published: 300, wire: { plaintextFound: 0 }, isolation: { leaks: 0 } });
  const whole = { expected: 100, delivered: 100, lost: 0, duplicated: 0, changed: 0 };
  for (const group of ['desk', 'risk', 'archive']) {
    expect(document.groups).toMatchObject({ [`acme/depth@${group}`]: whole });
  }
  expect(processesOf(labDirOf(demo))).toEqual([]);
  expect(existsSync(labDirOf(demo))).toBe(false);
});

it('stops every process when it is interrupted', { timeout: demoMs }, async () => {
  const demo = startDemo();
  await eventually('a site started', () => demo.stderr().includes('is started'), 60_000);
  const dir = labDirOf(demo);
  expect(processesOf(dir).length).toBeGreaterThan(2);
  demo.interrupt();
  expect(await demo.exited).toBe(1);
  expect(demo.stderr()).toContain('interrupted by SIGINT');
  expect(processesOf(dir)).toEqual([]);
  expect(existsSync(dir)).toBe(false);
});

it('says what is wrong with its arguments or input before it starts anything', async () => {
  const file = join(scope.dir('mbus-demo-input'), 'bad.jsonl');
  writeFileSync(file, '{"a":1}\nnonsense\n');
  for (const args of [['--input', file], ['--input', '/nonexistent'], ['--nonsense']]) {
    const demo = startDemo(...args);
    expect(await demo.exited).toBe(2);
    expect(demo.stdout()).toBe('');
    expect(demo.stderr()).toMatch(/^demo: E_(CONFIG|USAGE): /);
  }
});
