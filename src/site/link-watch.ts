/**
 * Which links have a leaf connection now, as the server itself knows it. A closed connection is seen at once: the server
 * tells of every change in an account's connections, and a poll catches what a lost event would hide. A silent link still
 * counts as connected here; the sidecars' hellos decide about those.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from '../log.ts';
import type { LinkSide } from './links.ts';
import type { LivingServers } from './living-servers.ts';
import { siteOfServer } from './places.ts';

/** One leaf connection as nats-server's LEAFZ tells it. */
export interface LeafInfo {
  /** account, public key */
  account: string;
  /** server name of the other end: its site id, maybe with the server's number */
  name: string;
  ip: string;
  port: number;
  rtt: string;
}

export interface WatchedLink {
  side: LinkSide;
  /** public key of the link's account */
  account: string;
}

type Listener = (linkId: string, isUp: boolean) => void;

const pollMs = 1_000;

export class LinkWatch {
  readonly #system: NatsConnection;
  readonly #servers: LivingServers;
  readonly #log: Logger;
  readonly #listeners = new Set<Listener>();
  readonly #up = new Set<string>();
  #links: WatchedLink[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isDirty = false;

  constructor(system: NatsConnection, servers: LivingServers, log: Logger) {
    this.#system = system;
    this.#servers = servers;
    this.#log = log;
  }

  start(): void {
    for (const subject of [
      '$SYS.ACCOUNT.*.SERVER.CONNS',
      '$SYS.SERVER.ACCOUNT.*.CONNS',
      '$SYS.ACCOUNT.*.LEAFNODE.CONNECT',
    ]) {
      this.#system.subscribe(subject, { callback: () => void this.refresh() });
    }
    this.#timer = setInterval(() => void this.refresh(), pollMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  /** Links that are gone count as down. */
  setLinks(links: WatchedLink[]): void {
    this.#links = links;
    void this.refresh();
  }

  isUp(linkId: string): boolean {
    return this.#up.has(linkId);
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks the server now; calls while one is under way share the next one. */
  refresh(): Promise<void> {
    this.#isDirty = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false;
      const leafs = await this.#ask();
      if (leafs) this.#compare(leafs);
    }
  }

  async #ask(): Promise<LeafInfo[] | undefined> {
    try {
      return await listLeafs(this.#system, this.#servers.ids);
    } catch (error) {
      // the server is away: its leaf connections are as well, the reconnect brings the next answer
      if (!this.#system.isClosed())
        this.#log.debug({ event: 'links.unknown', err: error }, 'the server did not list its leaf connections');
      return this.#system.isClosed() ? undefined : [];
    }
  }

  #compare(leafs: LeafInfo[]): void {
    const seen = new Set(leafs.map((leaf) => `${leaf.account} ${siteOfServer(leaf.name)}`));
    const up = new Set(
      this.#links.filter((link) => seen.has(`${link.account} ${link.side.peerSite}`)).map((link) => link.side.linkId),
    );
    const changed = [...up].filter((id) => !this.#up.has(id)).concat([...this.#up].filter((id) => !up.has(id)));
    for (const id of changed) {
      if (up.has(id)) this.#up.add(id);
      else this.#up.delete(id);
      for (const listener of this.#listeners) listener(id, up.has(id));
    }
  }
}

/** All leaf connections of these servers; one that does not answer has none, unless it is the only one. */
async function listLeafs(system: NatsConnection, serverIds: readonly string[]): Promise<LeafInfo[]> {
  const answers = await Promise.allSettled(
    serverIds.map(async (id) =>
      (await system.request(`$SYS.REQ.SERVER.${id}.LEAFZ`, '', { timeout: 2_000 })).json<{
        data?: { leafs?: LeafInfo[] };
      }>(),
    ),
  );
  const [first] = answers;
  if (first?.status === 'rejected' && answers.every(({ status }) => status === 'rejected')) throw first.reason;
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? (answer.value.data?.leafs ?? []) : []));
}
