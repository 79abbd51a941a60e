/**
 * nats-server from the project's release on GitHub, checked against the SHA256SUMS of the same release. The network may
 * be closed: the first answer is awaited for seconds only.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BusError } from '../errors.ts';
import { minimumVersion } from './version.ts';

const base = `https://github.com/nats-io/nats-server/releases/download/v${minimumVersion}`;
const firstAnswerMs = 5_000;
const downloadMs = 180_000;

export interface FetchTarget {
  toolsDir: string;
  /** where the binary ends up, by a rename */
  target: string;
}

export async function fetchFromRelease({ toolsDir, target }: FetchTarget): Promise<void> {
  const name = `nats-server-v${minimumVersion}-${platform()}-${goArch()}`;
  const sums = (await download(`${base}/SHA256SUMS`, firstAnswerMs)).toString('utf8');
  const wanted = sums
    .split('\n')
    .find((line) => line.trim().endsWith(` ${name}.tar.gz`))
    ?.trim()
    .split(/\s+/)[0];
  if (!wanted) throw new BusError('E_NATS_SERVER_MISSING', `${base}/SHA256SUMS has no ${name}.tar.gz`);
  const archive = await download(`${base}/${name}.tar.gz`, downloadMs);
  const got = createHash('sha256').update(archive).digest('hex');
  if (got !== wanted)
    throw new BusError('E_NATS_SERVER_MISSING', `${name}.tar.gz has SHA-256 ${got}, published is ${wanted}`);
  await mkdir(toolsDir, { recursive: true });
  const work = await mkdtemp(join(toolsDir, 'fetch-'));
  try {
    await writeFile(join(work, 'a.tar.gz'), archive);
    await promisify(execFile)('tar', ['-xzf', join(work, 'a.tar.gz'), '-C', work]);
    await chmod(join(work, name, 'nats-server'), 0o755);
    await rename(join(work, name, 'nats-server'), target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function download(url: string, timeoutMs: number): Promise<Buffer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new BusError('E_NATS_SERVER_MISSING', `${url} answered ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (cause) {
    if (cause instanceof BusError) throw cause;
    const inner = cause instanceof Error && cause.cause instanceof Error ? `: ${cause.cause.message}` : '';
    throw new BusError('E_NATS_SERVER_MISSING', `${url} ${cause instanceof Error ? cause.message : 'failed'}${inner}`, {
      cause,
    });
  }
}

function goArch(): string {
  const names: Record<string, string> = { x64: 'amd64', arm64: 'arm64', arm: 'arm7', s390x: 's390x', ppc64: 'ppc64le' };
  return names[arch()] ?? arch();
}
