/** The processes of the clients: started, killed and started again per site, and stopped by closing their standard input. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Access, ConsumersFile, PublishersFile } from './job.ts';
import type { ConsumerJob, PublisherJob } from './topology.ts';

const stopMs = 20_000;

export interface ClientsOptions {
  /** the run's directory: ledgers, events, logs */
  dir: string;
  /** `customer/app` → URL and credentials */
  apps: Record<string, Access>;
  perSecond: number;
  publishers: readonly PublisherJob[];
  consumers: readonly ConsumerJob[];
  /** a client that ended unasked: its ledger is worth nothing */
  onFailure: (what: string) => void;
}

export class Clients {
  readonly #options: ClientsOptions;
  readonly #running = new Map<string, ChildProcess>();
  readonly #asked = new Set<ChildProcess>();

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  async startPublishers(): Promise<void> {
    const { publishers } = this.#options;
    for (const site of sitesOf(publishers)) await this.#start('publisher', site);
  }

  async startConsumers(): Promise<void> {
    for (const site of sitesOf(this.#options.consumers)) await this.startConsumersOf(site);
  }

  /** Nothing at a site without consumers. */
  async startConsumersOf(site: string): Promise<void> {
    if (this.#options.consumers.some((job) => job.site === site)) await this.#start('consumer', site);
  }

  /** More consumers, in a process of their own. */
  async startMore(name: string, jobs: readonly ConsumerJob[]): Promise<void> {
    await this.#spawn('consumer', name, { dir: this.#options.dir, jobs: this.#withAccess(jobs) });
  }

  hasConsumersOf(site: string): boolean {
    return this.#running.has(`consumer.${site}`);
  }

  /** SIGKILL. */
  async killConsumersOf(site: string): Promise<void> {
    const child = this.#running.get(`consumer.${site}`);
    if (child === undefined) return;
    this.#asked.add(child);
    child.kill('SIGKILL');
    await ended(child);
  }

  async stopPublishers(): Promise<void> {
    await this.#stop('publisher');
  }

  async stop(): Promise<void> {
    await Promise.all([this.#stop('publisher'), this.#stop('consumer')]);
  }

  async #start(role: 'publisher' | 'consumer', site: string): Promise<void> {
    const { dir, perSecond, publishers, consumers } = this.#options;
    const here = <T extends { site: string }>(jobs: readonly T[]): T[] => jobs.filter((job) => job.site === site);
    if (role === 'consumer') return this.#spawn(role, site, { dir, jobs: this.#withAccess(here(consumers)) });
    await this.#spawn(role, site, { dir, perSecond, jobs: this.#withAccess(here(publishers)) });
  }

  async #spawn(role: string, of: string, file: PublishersFile | ConsumersFile): Promise<void> {
    const name = `${role}.${of}`;
    const path = join(file.dir, `${name}.json`);
    await writeFile(path, JSON.stringify(file), { mode: 0o600 });
    const log = openSync(join(file.dir, `${name}.log`), 'a', 0o600);
    const program = fileURLToPath(new URL(`./${role}.ts`, import.meta.url));
    const child = spawn(process.execPath, [program, path], { stdio: ['pipe', log, log] });
    closeSync(log);
    child.once('error', (error) => this.#onEnd(name, child, error.message));
    child.once('exit', (code) => this.#onEnd(name, child, `code ${code}`));
    this.#running.set(name, child);
  }

  #onEnd(name: string, child: ChildProcess, how: string): void {
    if (this.#running.get(name) !== child) return;
    this.#running.delete(name);
    if (!this.#asked.delete(child)) this.#options.onFailure(`${name} ended by itself (${how}), see its log`);
  }

  #withAccess<T extends { app: string }>(jobs: readonly T[]): (T & Access)[] {
    return jobs.map((job) => ({ ...job, ...this.#options.apps[job.app]! }));
  }

  async #stop(role: string): Promise<void> {
    const children = [...this.#running].filter(([name]) => name.startsWith(`${role}.`)).map(([, child]) => child);
    await Promise.all(
      children.map(async (child) => {
        this.#asked.add(child);
        child.stdin?.end();
        const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
        await ended(child);
        clearTimeout(timer);
      }),
    );
  }
}

function sitesOf(jobs: readonly { site: string }[]): string[] {
  return [...new Set(jobs.map(({ site }) => site))];
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
}
