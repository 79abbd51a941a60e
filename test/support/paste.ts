/**
 * Commands of a page pasted into a shell, as a reader would: bash in a directory of its own, `mbus` on its path, nothing of
 * the tester's own configuration. Daemons that a failed run leaves are ended with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { findRunning } from '../../src/server/index.ts';

export interface Pasted {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Desk {
  /** its directory */
  root: string;
  /** Resolves with what the script printed; it stops at the first command that fails. */
  paste(script: string, env?: Record<string, string>): Promise<Pasted>;
}

/** A directory and a shell for a test file; `servers` are directories in it that may hold a nats-server. */
export function useDesk(servers: readonly string[] = []): () => Desk {
  let root: string;
  let shell: ChildProcess | undefined;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'mbus-docs-'));
    await mkdir(join(root, 'bin'));
    const entry = fileURLToPath(new URL('../../cli/mbus.js', import.meta.url));
    const mbus = `exec "${process.execPath}" "${entry}" "$@"`;
    await writeFile(join(root, 'bin/mbus'), `#!/bin/sh\n${mbus}\n`, { mode: 0o755 });
    // a checkout finds its own command, without a registry
    await writeFile(join(root, 'bin/npx'), `#!/bin/sh\nshift\n${mbus}\n`, { mode: 0o755 });
  });
  afterAll(async () => {
    if (shell?.pid !== undefined && (shell.exitCode ?? 1) !== 0) {
      try {
        process.kill(-shell.pid, 'SIGTERM');
      } catch {
        // nobody is left
      }
    }
    for (const server of servers) {
      const dir = join(root, server, 'nats');
      await findRunning({ dir, configPath: join(dir, 'server.conf') })?.stop();
    }
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });
  const paste = async (script: string, extra: Record<string, string> = {}): Promise<Pasted> => {
    const { DATABASE_URL: _, MBUS_DIR: __, MBUS_PROFILE: ___, ...inherited } = process.env;
    const path = `${join(root, 'bin')}:${process.env.PATH}`;
    const env = { ...inherited, PATH: path, XDG_CONFIG_HOME: join(root, 'config'), ...extra };
    const child = spawn('bash', ['--norc', '-c', `set -euo pipefail\n${script}`], {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    shell = child;
    const result = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      result.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      result.stderr += text;
    });
    await once(child, 'exit');
    return { ...result, code: child.exitCode };
  };
  return () => ({ root, paste });
}
