/**
 * Runs nats-server as a process of its own: it outlives whoever started it, so the LAN goes on when the sidecar dies, and the
 * next sidecar adopts it. One server per directory: the pid file names it, and the command line of that pid must name
 * the configuration before it is believed or signalled.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type ConfigAddresses, readConfigAddresses } from './addresses.ts';
import { isHealthy } from './health.ts';
import { processArguments } from './process-info.ts';
import { systemRequest } from './system-request.ts';

export interface EnsureOptions {
  /** path of nats-server */
  binary: string;
  configPath: string;
  /** holds pid file and output; 0700 */
  dir: string;
  log: Logger;
  /** how long it may take to be healthy, recovery of large streams included; default 60 s */
  readyTimeoutMs?: number;
  signal?: AbortSignal;
  /** one of a cluster: ready when it runs, for it stores nothing before others do */
  isOneOfSeveral?: boolean;
}

export interface RunningServer {
  readonly pid: number;
  /** it ran before this call */
  readonly wasAdopted: boolean;
  isRunning(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL when it does not end within `deadlineMs` (default 15 s) */
  stop(deadlineMs?: number): Promise<void>;
  /** Calls back once when the process is gone; returns what cancels it. */
  onExit(callback: () => void): () => void;
}

const exitPollMs = 100;

/** Starts or adopts the server and returns when it is healthy. E_PORT_TAKEN, E_NATS_SERVER_FAILED. */
export async function ensureServer(options: EnsureOptions): Promise<RunningServer> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const adopted = findRunning(options);
  const addresses = readConfigAddresses(readFileSync(options.configPath, 'utf8'));
  const logStart = fileSize(addresses.logFile);
  const server = adopted ?? startServer(options);
  try {
    await waitHealthy(server, { ...options, addresses, logStart });
  } catch (error) {
    if (!adopted) await server.stop(2_000);
    throw error;
  }
  const event = adopted ? 'server.adopted' : 'server.started';
  options.log.info(
    { event, serverPid: server.pid },
    adopted ? 'nats-server was running, adopted it' : 'nats-server runs',
  );
  return server;
}

/** The server of this directory when it runs, without starting one. */
export function findRunning(options: Pick<EnsureOptions, 'dir' | 'configPath'>): RunningServer | undefined {
  const file = pidFile(options.dir);
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8').trim()) : Number.NaN;
  if (!Number.isInteger(pid) || !isServer(pid, options.configPath)) return undefined;
  return runningServer(pid, options.configPath, true);
}

function startServer(options: EnsureOptions): RunningServer {
  const output = outputFile(options.dir);
  rmSync(pidFile(options.dir), { force: true });
  const out = openSync(output, 'w', 0o600);
  try {
    const args = ['-c', options.configPath, '-P', pidFile(options.dir)];
    const child = spawn(options.binary, args, { detached: true, stdio: ['ignore', out, out], cwd: options.dir });
    child.on('error', (error) =>
      options.log.error({ event: 'server.spawn-failed', err: error }, 'nats-server could not be run'),
    );
    child.unref();
    if (child.pid === undefined)
      throw new BusError('E_NATS_SERVER_FAILED', `nats-server ${options.binary} could not be run`);
    return runningServer(child.pid, options.configPath, false);
  } finally {
    closeSync(out);
  }
}

function runningServer(pid: number, configPath: string, wasAdopted: boolean): RunningServer {
  const isRunning = (): boolean => isServer(pid, configPath);
  const kill = (signal: NodeJS.Signals): void => {
    if (isRunning()) process.kill(pid, signal);
  };
  return {
    pid,
    wasAdopted,
    isRunning,
    kill,
    stop: async (deadlineMs = 15_000) => {
      kill('SIGTERM');
      if (await waitGone(isRunning, deadlineMs)) return;
      kill('SIGKILL');
      await waitGone(isRunning, 5_000);
    },
    onExit: (callback) => {
      const timer = setInterval(() => {
        if (isRunning()) return;
        clearInterval(timer);
        callback();
      }, exitPollMs);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}

async function waitGone(isRunning: () => boolean, deadlineMs: number): Promise<boolean> {
  const deadline = performance.now() + deadlineMs;
  while (isRunning()) {
    if (performance.now() > deadline) return false;
    await delay(20);
  }
  return true;
}

interface Start extends EnsureOptions {
  addresses: ConfigAddresses;
  /** size of the log before this start, bytes: older lines say nothing about it */
  logStart: number;
}

async function waitHealthy(server: RunningServer, options: Start): Promise<void> {
  const deadline = performance.now() + (options.readyTimeoutMs ?? 60_000);
  // a process between fork and exec has no command line yet
  await waitGone(() => !server.isRunning(), 500);
  for (;;) {
    options.signal?.throwIfAborted();
    if (!server.isRunning()) throw startFailure(options, 'ended');
    if (await isHealthy(options.addresses, options.isOneOfSeveral)) return;
    if (performance.now() > deadline) throw startFailure(options, 'was not healthy in time');
    await delay(25);
  }
}

function startFailure(options: Start, what: string): BusError {
  const said = [lastLines(outputFile(options.dir), 0), lastLines(options.addresses.logFile, options.logStart)]
    .join('\n')
    .trim();
  const address = /listen tcp (\S+): bind: address already in use/.exec(said)?.[1];
  if (address !== undefined) {
    const message = `nats-server cannot listen on ${address}: another program does`;
    return new BusError('E_PORT_TAKEN', message, { details: { address } });
  }
  const { configPath } = options;
  return new BusError('E_NATS_SERVER_FAILED', `nats-server ${what}; its last words:\n${said}`, {
    details: { configPath },
  });
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function lastLines(path: string, from: number): string {
  try {
    return readFileSync(path).subarray(from).subarray(-4_000).toString('utf8').split('\n').slice(-12).join('\n');
  } catch {
    return '';
  }
}

/** Reads the configuration again, without a restart. `system` is a connection of account SYS. E_SERVER_REFUSED with the reason. */
export async function reloadServer(system: NatsConnection): Promise<void> {
  await systemRequest(system, (id) => `$SYS.REQ.SERVER.${id}.RELOAD`);
}

function isServer(pid: number, configPath: string): boolean {
  return processArguments(pid).includes(configPath);
}

function pidFile(dir: string): string {
  return join(dir, 'nats-server.pid');
}

function outputFile(dir: string): string {
  return join(dir, 'nats-server.out');
}
