/**
 * The configuration that a site's nats-servers have loaded, brought in line with a plan by writing it and telling each
 * living server to read it again. One that is away finds its file in line when it starts; one that hung and wakes is told
 * as soon as it is seen. Each of several servers dials every remote: what the sidecar subscribes to goes out by the leaf
 * connection of the server it is connected to and by no other, so nothing comes twice and nobody has to take over.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { SiteDir } from './dir.ts';
import type { LivingServers } from './living-servers.ts';
import { type ServerPlace, serverPlaces } from './places.ts';
import { readStartSettings, type ServerPlan, writeServerConfig } from './server-files.ts';

interface Loaded {
  serverId: string;
  /** of everything the server has read */
  digest: string;
  plan: ServerPlan;
}

type Problem = { code: string; text: string };

export class ServerConfig {
  readonly #dir: SiteDir;
  readonly #servers: LivingServers;
  readonly #log: Logger;
  /** by number */
  readonly #loaded = new Map<number, Loaded>();

  constructor(dir: SiteDir, servers: LivingServers, log: Logger) {
    this.#dir = dir;
    this.#servers = servers;
    this.#log = log;
  }

  /** A server that was restarted has read what was on disk, which may be older. */
  forget(number: number): void {
    this.#loaded.delete(number);
  }

  /**
   * Settings that take a restart stay as each server was started. Resolves with what a server refused; it keeps its old
   * configuration.
   */
  async load(plan: ServerPlan): Promise<Problem[]> {
    const places = serverPlaces(this.#dir);
    const loads = places.map(async (place) => {
      const own = { ...plan, ...(await readStartSettings(this.#dir, place)) };
      return this.#loadOne(place, own, places.length > 1);
    });
    return (await Promise.all(loads)).flat();
  }

  async #loadOne(place: ServerPlace, plan: ServerPlan, isOneOfSeveral: boolean): Promise<Problem[]> {
    const digest = await this.#write(place, plan);
    const loaded = this.#loaded.get(place.number);
    const serverId = this.#servers.idOf(place.number);
    const isSame = loaded?.digest === digest && (!isOneOfSeveral || loaded.serverId === serverId);
    if (isSame || !this.#servers.numbers.includes(place.number)) return [];
    try {
      await this.#reload(place, plan, loaded?.plan);
      this.#loaded.set(place.number, { serverId, digest, plan });
      return [];
    } catch (error) {
      // one of several that dies now is told when it is back
      if (isOneOfSeveral && isBusError(error, 'E_SERVER_AWAY')) return [];
      if (!isBusError(error, 'E_SERVER_REFUSED')) throw error;
      this.#log.warn({ event: 'site.reload-refused', err: error }, 'nats-server keeps its old configuration');
      return [{ code: error.code, text: error.message }];
    }
  }

  /** A remote's proxy cannot change while it stands: where that is why a reload is refused, it goes and comes again. */
  async #reload(place: ServerPlace, plan: ServerPlan, before: ServerPlan | undefined): Promise<void> {
    try {
      await this.#tell(place);
    } catch (error) {
      if (!isBusError(error, 'E_SERVER_REFUSED')) throw error;
      const remotes = plan.remotes.filter((remote) => before?.remotes.some((old) => isDeepStrictEqual(old, remote)));
      const withoutControl = before?.proxy !== plan.proxy;
      await writeServerConfig(this.#dir, { ...plan, remotes }, place, { withoutControl });
      await this.#tell(place);
      await writeServerConfig(this.#dir, plan, place);
      await this.#tell(place);
    }
  }

  async #tell({ number }: ServerPlace): Promise<void> {
    await this.#servers.request(number, (id) => `$SYS.REQ.SERVER.${id}.RELOAD`);
  }

  /** Writes the configuration; returns a digest of everything the server would read. */
  async #write(place: ServerPlace, plan: ServerPlan): Promise<string> {
    const { tls } = this.#dir;
    const text = await writeServerConfig(this.#dir, plan, place);
    const shown = (plan.certificates ?? []).map(({ certFile }) => certFile);
    const files = await Promise.all([tls.certFile, tls.caFile, ...shown].map((path) => readFile(path)));
    return createHash('sha256').update(text).update(Buffer.concat(files)).digest('hex');
  }
}
