import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Links } from '../../../src/lab/links.ts';
import { holdPorts } from '../../../src/lab/ports.ts';
import {
  isAlive,
  logPath,
  logTail,
  type ProcessRecord,
  readRecords,
  startProcess,
  stopProcess,
} from '../../../src/lab/processes.ts';
import { linkedAbort, together } from '../../../src/lab/together.ts';
import { processStart } from '../../../src/server/index.ts';
import { dial, until } from '../../support/tcp.ts';

let dir: string;
let record: ProcessRecord | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-processes-'));
});

afterEach(async () => {
  if (record) await stopProcess(record, 'SIGKILL');
  record = undefined;
  await rm(dir, { recursive: true });
});

async function startDaemon(): Promise<ProcessRecord> {
  record = await startProcess({ dir, name: 'daemon', args: ['lab', 'daemon', '--dir', dir], marker: dir });
  return record;
}

test('a started process is remembered, answers, and ends when asked', async () => {
  const daemon = await startDaemon();
  expect(await readRecords(dir)).toEqual([daemon]);
  await until('the daemon answers', () => existsSync(join(dir, 'links.json')));
  expect(await (await Links.open(dir)).stats()).toEqual([]);
  expect(isAlive(daemon)).toBe(true);
  expect(await stopProcess(daemon, 'SIGTERM')).toBe(true);
  expect(isAlive(daemon)).toBe(false);
  expect(await stopProcess(daemon, 'SIGTERM')).toBe(false);
});

test('a pid that belongs to another process by now is left alone', async () => {
  const daemon = await startDaemon();
  expect(await stopProcess({ ...daemon, start: 'another time' }, 'SIGKILL')).toBe(false);
  expect(await stopProcess({ ...daemon, marker: '/another/lab' }, 'SIGKILL')).toBe(false);
  expect(isAlive(daemon)).toBe(true);
});

test('a process that starts over as itself, as a sidecar does, is alive all the while', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'again-process.ts'), '20', dir]);
  const ended = once(child, 'exit');
  const pid = child.pid ?? 0;
  const again = { name: 'again', pid, marker: dir, log: '', start: processStart(pid) ?? '' };
  let wasGone = false;
  while (child.exitCode === null && child.signalCode === null) {
    for (let look = 0; look < 100; look++) {
      const isGone = !isAlive(again);
      expect(wasGone && !isGone).toBe(false);
      wasGone = isGone;
    }
    await setImmediate();
  }
  await ended;
  expect(isAlive(again)).toBe(false);
});

test('what a process says before it dies is at the end of its log, for its owner alone', async () => {
  record = await startProcess({ dir, name: 'wrong', args: ['lab', 'nonsense'], marker: 'nonsense' });
  const wrong = record;
  await until('it ended', () => !isAlive(wrong));
  expect(await logTail(logPath(dir, 'wrong'))).toContain('mbus: E_USAGE');
  expect((await stat(logPath(dir, 'wrong'))).mode & 0o777).toBe(0o600);
});

test('held ports are free ones that nobody else gets', async () => {
  const held = await holdPorts(5);
  expect(new Set(held.ports).size).toBe(5);
  for (const port of held.ports) expect(port).toBeLessThan(32_768);
  await dial(held.ports[0] ?? 0).then((socket) => socket.destroy());
  await held.release();
  await expect(dial(held.ports[0] ?? 0)).rejects.toThrow('ECONNREFUSED');
});

test('the first of several failures aborts the others, and all have ended when it is thrown', async () => {
  const abort = linkedAbort(undefined);
  let hasEnded = false;
  const patient = new Promise<void>((_, reject) => {
    abort.signal.addEventListener('abort', () =>
      setTimeout(() => {
        hasEnded = true;
        reject(new Error('second'));
      }, 20),
    );
  });
  await expect(together(abort, [patient, Promise.reject(new Error('first'))])).rejects.toThrow('first');
  expect(hasEnded).toBe(true);
});
