/**
 * The nats-server processes of a site that this process looks after: started or adopted, started again when they die,
 * restarted when a full disk has switched their storage off. They go on when this process ends. Where somebody else starts
 * them, they are only waited for, but a full disk is healed all the same.
 */
import { join } from 'node:path';
import { retryForever } from '../backoff.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type FindOptions, isHealthy, type RunningServer } from '../server/index.ts';
import type { SiteDir } from './dir.ts';
import { DiskWatch } from './disk-watch.ts';
import { type ServerPlace, serverPlaces } from './places.ts';
import { restartSiteServer, type StartOptions, startSiteServer } from './server-files.ts';

export interface ServerProcessesOptions {
  dir: SiteDir;
  log: Logger;
  /** somebody else starts them */
  isExternal: boolean;
  /** numbers of those on this machine; default all */
  numbers?: readonly number[] | undefined;
  find?: FindOptions | undefined;
  signal: AbortSignal;
}

interface Running {
  server: RunningServer;
  cancelWatch: () => void;
}

export class ServerProcesses {
  readonly #options: ServerProcessesOptions;
  readonly #places: ServerPlace[];
  readonly #running = new Map<number, Running>();
  #diskWatches: DiskWatch[] = [];

  constructor(options: ServerProcessesOptions) {
    this.#options = options;
    const { numbers } = options;
    this.#places = serverPlaces(options.dir).filter(({ number }) => numbers === undefined || numbers.includes(number));
  }

  /** Whether this process starts them. */
  get isOwner(): boolean {
    return !this.#options.isExternal;
  }

  /** Resolves when one of the site's servers is well: of three, it has found the others then. E_NATS_SERVER_… */
  async open(): Promise<void> {
    if (this.isOwner) await Promise.all(this.#places.map((place) => this.#start(place)));
    const all = serverPlaces(this.#options.dir);
    if (this.isOwner && all.length === 1) return;
    const ask = async (): Promise<void> => {
      const found = await Promise.all(all.map((place) => isHealthy(place)));
      if (found.includes(true)) return;
      throw new BusError('E_SERVER_AWAY', `no nats-server at ${all.map(({ listen }) => listen).join(', ')}`);
    };
    await retryForever(ask, { signal: this.#options.signal, firstMs: 50, maxMs: 1_000 });
  }

  /** Heals full disks; `restart` is given the number of the server. */
  watchDisks(restart: (server: number) => Promise<void>): void {
    this.#diskWatches = this.#places.map(
      ({ number, monitor, home }) =>
        new DiskWatch({
          monitor,
          storeDir: join(home, 'store'),
          restart: () => restart(number),
          log: this.#options.log,
        }),
    );
    for (const watch of this.#diskWatches) watch.start();
  }

  /** Why a nats-server stores nothing, empty while all do. */
  get diskProblem(): string {
    return this.#diskWatches.find(({ problem }) => problem !== '')?.problem ?? '';
  }

  /** How often one was found unable to store. */
  get diskFailures(): number {
    return this.#diskWatches.reduce((sum, { failures }) => sum + failures, 0);
  }

  /** Ends and starts those it looks after, one after the other. */
  async restartOwn(): Promise<void> {
    for (const place of this.#places) {
      const running = this.#running.get(place.number);
      running?.cancelWatch();
      await running?.server.stop();
      await this.#start(place);
    }
  }

  /** Ends and starts one, whoever started it. */
  async restart(number: number): Promise<void> {
    this.#running.get(number)?.cancelWatch();
    await restartSiteServer(this.#startOptions(number));
    const place = this.#places.find((each) => each.number === number);
    if (this.isOwner && place !== undefined) await this.#start(place);
  }

  /** They go on. */
  close(): void {
    for (const { cancelWatch } of this.#running.values()) cancelWatch();
    for (const watch of this.#diskWatches) watch.stop();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ server }) => server.stop()));
  }

  async #start(place: ServerPlace): Promise<void> {
    const { log, signal } = this.#options;
    const server = await startSiteServer(this.#startOptions(place.number));
    const cancelWatch = server.onExit(() => {
      if (signal.aborted) return;
      log.warn({ event: 'server.died', server: place.number }, 'nats-server is gone, starting it again');
      void retryForever(() => this.#start(place), { signal }).catch(() => undefined);
    });
    this.#running.set(place.number, { server, cancelWatch });
  }

  #startOptions(server: number): StartOptions {
    const { dir, log, signal, find } = this.#options;
    return { dir, log, signal, server, ...(find ? { find } : {}) };
  }
}
