/**
 * A site's nats-server brought in line with the snapshot: accounts, users, links. The order of an apply never leaves a
 * remote without its account: push accounts, then write and reload the configuration if it changed, then remove what is
 * gone. Every step may run again, so a crash at any line is healed by the next apply. nats-server is never restarted
 * for a change; when it dies it is started again, and it goes on when this process dies.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Snapshot } from '../api/snapshot.ts';
import { retryForever } from '../backoff.ts';
import { BusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type FindOptions, isHealthy, type LeafRemote, type RunningServer, reloadServer } from '../server/index.ts';
import { formatCreds, readFileIfThere, writeFileAtomic } from '../trust/index.ts';
import { AccountStore } from './account-store.ts';
import { desiredAccounts } from './accounts.ts';
import { appScopes, writeAppCreds } from './apps.ts';
import { type ConnectOptions, type ConnectTarget, openConnection } from './connections.ts';
import type { SiteDir } from './dir.ts';
import { issueLinkUsers, type LinkCredential } from './link-users.ts';
import { LinkWatch } from './link-watch.ts';
import { type LinkSide, linkSides } from './links.ts';
import { appRights } from './permissions.ts';
import { type IsTopicReady, rememberReady } from './ready-topics.ts';
import { startSiteServer, writeServerConfig } from './server-files.ts';

export interface SiteServerOptions {
  dir: SiteDir;
  log: Logger;
  /** somebody else starts nats-server: only wait for it */
  isExternal?: boolean;
  find?: FindOptions;
}

export interface ApplyResult {
  /** tokens for peers that dial this site, for site.report */
  linkCredentials: LinkCredential[];
  apps: { appId: string; credsPath: string }[];
  /** what of this apply did not work; the rest is in place */
  problems: { code: string; text: string }[];
}

export class SiteServer {
  readonly #dir: SiteDir;
  readonly #log: Logger;
  readonly #options: SiteServerOptions;
  readonly #abort = new AbortController();
  readonly #connections = new Set<NatsConnection>();
  #server: RunningServer | undefined;
  #system: NatsConnection | undefined;
  #accounts: AccountStore | undefined;
  #watch: LinkWatch | undefined;
  #links = new Map<string, LinkSide>();
  /** digest of the configuration and certificates the server has loaded */
  #loaded: string | undefined;
  #applying: Promise<unknown> = Promise.resolve();

  constructor(options: SiteServerOptions) {
    this.#dir = options.dir;
    this.#log = options.log;
    this.#options = options;
  }

  /** Starts, adopts or waits for nats-server and connects to its SYS account. */
  async start(): Promise<void> {
    if (this.#options.isExternal) await this.#waitForServer();
    else await this.#startServer();
    this.#accounts = new AccountStore(this.#dir, await this.#dir.key('operator', 'operator'));
    await this.#accounts.load();
    this.#system = await this.connect('SYS', { name: 'sidecar' });
    this.#watch = new LinkWatch(this.#system, this.#log);
    this.#watch.start();
  }

  /** Brings accounts, links and credentials to the snapshot. One at a time; safe to repeat. */
  apply(snapshot: Snapshot, isTopicReady: IsTopicReady): Promise<ApplyResult> {
    const next = this.#applying.then(() => this.#apply(snapshot, isTopicReady));
    this.#applying = next.catch(() => undefined);
    return next;
  }

  /** A connection of this process into an account; closed by close(). E_NOT_HERE, E_SERVER_AWAY. */
  async connect(target: ConnectTarget, options: ConnectOptions = {}): Promise<NatsConnection> {
    const connection = await openConnection(this.#dir, target, (id) => this.linkSide(id), options);
    this.#connections.add(connection);
    void connection.closed().then(() => this.#connections.delete(connection));
    return connection;
  }

  /** E_NOT_HERE when the last applied snapshot has no such link of this site. */
  linkSide(linkId: string): LinkSide {
    const side = this.#links.get(linkId);
    if (!side) throw new BusError('E_NOT_HERE', `link ${linkId}: not one of this site's`, { details: { linkId } });
    return side;
  }

  get links(): LinkSide[] {
    return [...this.#links.values()];
  }

  /** Whether the link has a leaf connection, by nats-server's own word. */
  isLinkUp(linkId: string): boolean {
    return this.#watch?.isUp(linkId) ?? false;
  }

  onLinkChange(listener: (linkId: string, isUp: boolean) => void): () => void {
    return this.#needWatch().onChange(listener);
  }

  /** nats-server's version, as it says itself. */
  get version(): string {
    return this.#system?.info?.version ?? '';
  }

  /** Closes this process's connections; nats-server goes on. */
  async close(): Promise<void> {
    this.#abort.abort(new BusError('E_SERVER_AWAY', 'the site is closing'));
    await this.#applying;
    this.#watch?.stop();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  /** Stops nats-server as well. */
  async stopServer(): Promise<void> {
    await this.close();
    await this.#server?.stop();
  }

  async #startServer(): Promise<void> {
    const { signal } = this.#abort;
    const { find } = this.#options;
    this.#server = await startSiteServer({ dir: this.#dir, log: this.#log, signal, ...(find ? { find } : {}) });
    const cancel = this.#server.onExit(() => {
      if (signal.aborted) return;
      this.#log.warn({ event: 'server.died' }, 'nats-server is gone, starting it again');
      void retryForever(() => this.#startServer(), { signal }).catch(() => undefined);
    });
    signal.addEventListener('abort', cancel, { once: true });
  }

  async #waitForServer(): Promise<void> {
    await writeServerConfig(this.#dir);
    const { signal } = this.#abort;
    const ask = async (): Promise<void> => {
      if (!(await isHealthy(this.#dir.file)))
        throw new BusError('E_SERVER_AWAY', `no nats-server at ${this.#dir.file.listen}`);
    };
    await retryForever(ask, { signal, firstMs: 50, maxMs: 1_000 });
  }

  async #apply(snapshot: Snapshot, isTopicReady: IsTopicReady): Promise<ApplyResult> {
    const [system, accounts, watch] = [this.#needSystem(), this.#needAccounts(), this.#needWatch()];
    const sides = linkSides(snapshot);
    const ready = await rememberReady(this.#dir, snapshot, isTopicReady);
    const scopes = await appScopes(this.#dir, snapshot, (customer, app) =>
      appRights(customer, app, (id) => ready.has(id)),
    );
    const desired = desiredAccounts(snapshot, (customerId) => scopes.get(customerId) ?? []);
    const changed = await accounts.push(system, desired);
    const problems = await this.#configure(snapshot, sides);
    const removed = problems.length > 0 ? [] : await accounts.prune(system, desired);
    this.#links = new Map(sides.map((side) => [side.linkId, side]));
    watch.setLinks(
      await Promise.all(sides.map(async (side) => ({ side, account: await this.#publicKey(side.account) }))),
    );
    if (changed.length + removed.length > 0)
      this.#log.info({ event: 'site.accounts', changed, removed }, 'accounts follow the snapshot');
    return {
      linkCredentials: await issueLinkUsers(this.#dir, sides),
      apps: await writeAppCreds(this.#dir, snapshot),
      problems,
    };
  }

  /** Writes the configuration and has it loaded when it, or a certificate, differs from what the server has. */
  async #configure(snapshot: Snapshot, sides: LinkSide[]): Promise<ApplyResult['problems']> {
    const { tls } = this.#dir;
    if ((await readFileIfThere(tls.caFile))?.toString('utf8') !== snapshot.control.caPem) {
      await writeFileAtomic(tls.caFile, snapshot.control.caPem, 0o644);
    }
    const text = await writeServerConfig(this.#dir, {
      hasLeafListener: snapshot.site.mode === 'server',
      maxPayload: snapshot.site.maxPayload,
      durability: snapshot.site.durability,
      controlUrls: snapshot.control.leafUrls,
      remotes: await this.#remotes(sides),
    });
    const files = await Promise.all([tls.certFile, tls.caFile].map((path) => readFile(path)));
    const digest = createHash('sha256').update(text).update(Buffer.concat(files)).digest('hex');
    if (digest === this.#loaded) return [];
    try {
      await reloadServer(this.#needSystem());
      this.#loaded = digest;
      return [];
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'E_SERVER_REFUSED') throw error;
      this.#log.warn({ event: 'site.reload-refused', err: error }, 'nats-server keeps its old configuration');
      return [{ code: error.code, text: error.message }];
    }
  }

  /** One remote per link this site dials and has a token for. */
  async #remotes(sides: LinkSide[]): Promise<LeafRemote[]> {
    const dialled = sides.filter((side) => side.isDialer && side.link.userJwt !== null);
    return Promise.all(
      dialled.map(async (side) => {
        const credsFile = this.#dir.at('nats/leaf', `${side.linkId}.creds`);
        const creds = formatCreds(side.link.userJwt ?? '', await this.#dir.linkUser(side.selfTerminal));
        if ((await readFileIfThere(credsFile))?.toString('utf8') !== creds) await writeFileAtomic(credsFile, creds);
        return { urls: [side.link.url], account: await this.#publicKey(side.account), credsFile };
      }),
    );
  }

  async #publicKey(account: string): Promise<string> {
    return (await this.#dir.key(account, 'account')).getPublicKey();
  }

  #needSystem(): NatsConnection {
    return this.#system ?? notStarted();
  }

  #needAccounts(): AccountStore {
    return this.#accounts ?? notStarted();
  }

  #needWatch(): LinkWatch {
    return this.#watch ?? notStarted();
  }
}

function notStarted(): never {
  throw new BusError('E_INTERNAL', 'the site server was not started');
}
