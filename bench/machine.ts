/** What the numbers were measured on. */
import { execFile } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { findServer } from '../src/server/index.ts';
import { programVersion } from '../src/version.ts';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGigabytes: number;
  /** one minute, when the bench ended */
  load: number;
  versions: Record<string, string>;
}

const packages = { rabbitmq: 'rabbitmq-server', mosquitto: 'mosquitto' };

export async function describeMachine(): Promise<Machine> {
  const { path } = await findServer();
  const versions: Record<string, string> = { mbus: programVersion(), node: process.version };
  versions['nats-server'] = (await output(path, ['--version'])).replace(/^nats-server: v/, '').trim();
  for (const [name, pack] of Object.entries(packages)) {
    const found = /^Version: (.+)$/m.exec(await output('dpkg-query', ['-s', pack]))?.[1];
    if (found !== undefined) versions[name] = found;
  }
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    versions,
  };
}

/** Empty when the program is not there or says nothing. */
async function output(program: string, args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args).catch(() => ({ stdout: '' }));
  return stdout;
}
