/**
 * A site's nats-server, or all three of it, brought in line with the snapshot: accounts, users, links. The order of an apply never leaves a
 * remote without its account: push accounts, then write and reload the configuration if it changed, then remove what is
 * gone. Every step may run again, so a crash at any line is healed by the next apply. nats-server is never restarted
 * for a change; when it dies it is started again, and it goes on when this process dies.
 */
import { isDeepStrictEqual } from 'node:util';
import type { NatsConnection } from '@nats-io/nats-core';
import type { SiteReport } from '../api/site-report.ts';
import type { Snapshot, SnapshotCustomer } from '../api/snapshot.ts';
import { retryForever } from '../backoff.ts';
import { systemClock } from '../clock.ts';
import { BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type FindOptions, findUnsynced, type LeafRemote } from '../server/index.ts';
import { createKey, formatCreds, readFileIfThere, writeFileAtomic } from '../trust/index.ts';
import { inTurns } from '../turns.ts';
import { AccountStore } from './account-store.ts';
import { type DesiredAccount, desiredAccounts } from './accounts.ts';
import { AppTlsFiles } from './app-tls.ts';
import { type AppCredential, appGrants, writeAppCreds } from './apps.ts';
import { type ConnectOptions, type ConnectTarget, openConnection } from './connections.ts';
import type { SiteDir } from './dir.ts';
import { endingSoon } from './ending-credentials.ts';
import { Fence } from './fence.ts';
import { issueLinkUsers, type LinkCredential } from './link-users.ts';
import { LinkWatch } from './link-watch.ts';
import { type LinkSide, linkSides } from './links.ts';
import { LivingServers } from './living-servers.ts';
import { replicasOf, serverPlaces } from './places.ts';
import { type IsTopicReady, rememberReady } from './ready-topics.ts';
import { ServerConfig } from './server-config.ts';
import {
  dialledProxy,
  durabilityHere,
  readPlan,
  readStartSettings,
  type ServerPlan,
  startSettingsOf,
  storePlan,
} from './server-files.ts';
import { ServerProcesses } from './server-processes.ts';
import { type Usage, usageOf } from './usage.ts';

export interface SiteServerOptions {
  dir: SiteDir;
  log: Logger;
  /** somebody else starts nats-server: only wait for it */
  isExternal?: boolean;
  /** of three servers, those on this machine; default all */
  servers?: readonly number[] | undefined;
  /** of three servers, the one it connects to first; default 1 */
  preferred?: number | undefined;
  find?: FindOptions;
  /** life of the tokens that peers dial in with; default 30 days */
  linkLifeMs?: number;
}

export interface ApplyResult {
  /** tokens for peers that dial this site, for site.report */
  linkCredentials: LinkCredential[];
  apps: AppCredential[];
  /** what of this apply did not work; the rest is in place */
  problems: { code: string; text: string }[];
}

export class SiteServer {
  readonly appTls: AppTlsFiles;
  readonly #dir: SiteDir;
  readonly #log: Logger;
  readonly #options: SiteServerOptions;
  readonly #abort = new AbortController();
  /** when an apply issues the next token for a peer or an application, milliseconds since 1970 */
  credentialsDueMs = Number.POSITIVE_INFINITY;
  readonly #connections = new Set<NatsConnection>();
  readonly #processes: ServerProcesses;
  #system: NatsConnection | undefined;
  #living: LivingServers | undefined;
  #config: ServerConfig | undefined;
  #accounts: AccountStore | undefined;
  /** as they were last wanted */
  #desired: DesiredAccount[] = [];
  #watch: LinkWatch | undefined;
  #onJetStreamRestart: () => void = () => undefined;
  #links = new Map<string, LinkSide>();
  readonly #inTurn = inTurns();
  #opening: Promise<void> | undefined;
  #fence: Fence | undefined;
  /** of every connection of this life */
  readonly #user = createKey('user');

  constructor(options: SiteServerOptions) {
    this.#dir = options.dir;
    this.appTls = new AppTlsFiles(options.dir);
    this.#log = options.log;
    this.#options = options;
    const { dir, log, isExternal = false, servers: numbers, find } = options;
    this.#processes = new ServerProcesses({ dir, log, isExternal, numbers, find, signal: this.#abort.signal });
  }

  /** Starts, adopts or waits for nats-server; changes nothing there. */
  open(): Promise<void> {
    this.#opening ??= this.#processes.open();
    return this.#opening;
  }

  /** Connects to the SYS account and works from here on; users of sidecars that worked before are shut out first. */
  async start(before: readonly string[] = []): Promise<void> {
    await this.open();
    this.#fence = await Fence.open(this.#dir, before);
    this.#accounts = new AccountStore(this.#dir, await this.#dir.key('operator', 'operator'));
    await this.#accounts.load();
    const system = await this.connect('SYS', { name: 'sidecar' });
    this.#system = system;
    const places = serverPlaces(this.#dir);
    this.#living = new LivingServers({ system, places, onChange: () => this.#followServers(), log: this.#log });
    this.#config = new ServerConfig(this.#dir, this.#living, this.#log);
    await this.#living.start();
    this.#desired = this.#fence.fixed;
    await this.#accounts.push(this.#living, this.#desired);
    this.#watch = new LinkWatch(system, this.#living, this.#log);
    this.#watch.start();
    this.#processes.watchDisks((server) => this.#restartForStorage(server));
  }

  /** Why nats-server stores nothing, empty while it does. */
  get diskProblem(): string {
    return this.#processes.diskProblem;
  }

  /** How often a nats-server of the site was found unable to store. */
  get storageFailures(): number {
    return this.#processes.diskFailures;
  }

  /** Told when nats-server was restarted for its storage: deliveries that were under way are lost. */
  onJetStreamRestart(listener: () => void): void {
    this.#onJetStreamRestart = listener;
  }

  /** Brings accounts, links and credentials to the snapshot. One at a time; safe to repeat. */
  apply(snapshot: Snapshot, isTopicReady: IsTopicReady): Promise<ApplyResult> {
    return this.#inTurn(() => this.#apply(snapshot, isTopicReady));
  }

  /** A connection of this process into an account; closed by close(). E_NOT_HERE, E_SERVER_AWAY. */
  async connect(target: ConnectTarget, options: ConnectOptions = {}): Promise<NatsConnection> {
    const user = this.#user;
    const connection = await openConnection(this.#dir, target, (id) => this.linkSide(id), {
      user,
      preferred: this.#options.preferred,
      ...options,
    });
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
    return (this.#watch ?? notStarted()).onChange(listener);
  }

  /**
   * Makes a link this site dials start anew, for a leaf connection that has stopped trying. The others are not disturbed.
   * Nothing happens for a link the peer dials.
   */
  redial(linkId: string): Promise<void> {
    return this.#inTurn(async () => {
      const plan = await readPlan(this.#dir);
      const account = await this.#publicKey(this.linkSide(linkId).account);
      if (!plan?.remotes.some((remote) => remote.account === account)) return;
      const remotes = plan.remotes.map((r) => (r.account === account ? { ...r, isDisabled: true } : r));
      await this.#needConfig().load({ ...plan, remotes });
      await this.#needConfig().load(plan);
    });
  }

  /**
   * By a restart of nats-server. JetStream that is switched on under living clients takes messages for a stream before that
   * stream's consumers are back: it confirms them, finds nobody interested, and drops them.
   */
  #restartForStorage(server: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#config?.forget(server);
      await this.#processes.restart(server);
      await this.#untilAnswered();
      this.#onJetStreamRestart();
    });
  }

  /** One of several has come or gone: who is back learns what it missed. */
  #followServers(): void {
    const follow = async (): Promise<void> => {
      await (this.#accounts ?? notStarted()).push(this.#needLiving(), this.#desired);
      const plan = await readPlan(this.#dir);
      if (plan !== undefined) await this.#needConfig().load(plan);
    };
    const { signal } = this.#abort;
    // the next change asks again
    void this.#inTurn(() => (signal.aborted ? Promise.resolve() : follow())).catch((error: unknown) => {
      if (!signal.aborted)
        this.#log.warn({ event: 'servers.not-followed', err: error }, 'not every server follows yet');
    });
  }

  /** What customers with limits of their own use here. */
  usage(customers: readonly SnapshotCustomer[]): Promise<Usage[]> {
    return usageOf(this.#dir, customers);
  }

  /** Applications here whose connections end soon with their credential. */
  endingSoon(customers: readonly SnapshotCustomer[]): Promise<ApplyResult['problems']> {
    return endingSoon(this.#dir, customers);
  }

  /** Public key (U…) of the user of its connections. */
  get user(): string {
    return this.#user.getPublicKey();
  }

  /** nats-servers that keep each of its streams. */
  get replicas(): number {
    return replicasOf(this.#dir.file);
  }

  /** Where the site has several nats-servers: what of them is known here. */
  get servers(): SiteReport['servers'] {
    const living = this.#living?.numbers;
    if (this.replicas === 1 || living === undefined) return [];
    return serverPlaces(this.#dir).map(({ number }) => ({ server: number, isUp: living.includes(number) }));
  }

  /** One problem for those of several nats-servers that are away. */
  get serverProblems(): ApplyResult['problems'] {
    const away = this.servers.filter(({ isUp }) => !isUp).map(({ server }) => server);
    if (away.length === 0) return [];
    return [{ code: 'E_SERVER_DOWN', text: `nats-server ${away.join(' and ')} of ${this.replicas} is away` }];
  }

  /** nats-server's version, as it says itself. */
  get version(): string {
    return this.#system?.info?.version ?? '';
  }

  /** Closes this process's connections; nats-server goes on. */
  async close(): Promise<void> {
    this.#abort.abort(new BusError('E_SERVER_AWAY', 'the site is closing'));
    await this.#inTurn(async () => undefined);
    this.#processes.close();
    this.#living?.stop();
    this.#watch?.stop();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  /** Stops nats-server as well. */
  async stopServer(): Promise<void> {
    await this.close();
    await this.#processes.stop();
  }

  async #apply(snapshot: Snapshot, isTopicReady: IsTopicReady): Promise<ApplyResult> {
    const [living, accounts, watch] = [this.#needLiving(), this.#accounts ?? notStarted(), this.#watch ?? notStarted()];
    const sides = linkSides(snapshot);
    const ready = await rememberReady(this.#dir, snapshot, isTopicReady);
    const grants = await appGrants(this.#dir, snapshot, (id) => ready.has(id));
    const linkUsers = await issueLinkUsers(this.#dir, sides, systemClock.wallMs(), this.#options.linkLifeMs);
    const ofSnapshot = desiredAccounts(snapshot, grants, linkUsers.revocations);
    const desired = (this.#fence ?? notStarted()).all(ofSnapshot);
    this.#desired = desired;
    const changed = await accounts.push(living, desired);
    const problems = await this.#configure(snapshot, sides);
    problems.push(...(await this.#checkDurability(problems)));
    const removed = problems.some((p) => p.code === 'E_SERVER_REFUSED') ? [] : await accounts.prune(living, desired);
    this.#links = new Map(sides.map((side) => [side.linkId, side]));
    watch.setLinks(
      await Promise.all(sides.map(async (side) => ({ side, account: await this.#publicKey(side.account) }))),
    );
    if (changed.length + removed.length > 0)
      this.#log.info({ event: 'site.accounts', changed, removed }, 'accounts follow the snapshot');
    const apps = await writeAppCreds(this.#dir, snapshot);
    this.credentialsDueMs = Math.min(linkUsers.dueMs, apps.dueMs);
    return { linkCredentials: linkUsers.credentials, apps: apps.credentials, problems };
  }

  /** Writes the configuration and has it loaded when it, or a certificate, differs from what the server has. */
  async #configure(snapshot: Snapshot, sides: LinkSide[]): Promise<ApplyResult['problems']> {
    const { tls } = this.#dir;
    if ((await readFileIfThere(tls.caFile))?.toString('utf8') !== snapshot.control.caPem) {
      await writeFileAtomic(tls.caFile, snapshot.control.caPem, 0o644);
    }
    const appTls = await this.appTls.take(snapshot.site.tls);
    const wanted: ServerPlan = {
      hasLeafListener: snapshot.site.mode === 'server',
      hasWebsocketListener: snapshot.site.websocket !== undefined,
      durability: durabilityHere(this.#dir, snapshot.site.durability),
      controlUrls: snapshot.control.leafUrls,
      proxy: snapshot.site.proxy,
      remotes: await this.#remotes(sides),
      certificates: appTls.certificates,
    };
    const isFirst = (await readPlan(this.#dir)) === undefined;
    await storePlan(this.#dir, wanted);
    const problems = await this.#followStartSettings(wanted, isFirst);
    return [...appTls.problems, ...problems, ...(await this.#needConfig().load(wanted))];
  }

  /** Reads back what the server says of itself where the class is power, unless a restart is due that changes it. */
  async #checkDurability(problems: ApplyResult['problems']): Promise<ApplyResult['problems']> {
    const { durability } = await readStartSettings(this.#dir);
    if (durability !== 'power' || problems.some(({ code }) => code === 'E_SERVER_RESTART')) return [];
    try {
      const living = serverPlaces(this.#dir).filter(({ number }) => this.#needLiving().numbers.includes(number));
      const found = await Promise.all(living.map(({ monitor }) => findUnsynced(monitor)));
      return found.flat().map((text) => ({ code: 'E_NOT_DURABLE', text }));
    } catch (error) {
      if (!isBusError(error)) throw error;
      return [{ code: error.code, text: error.message }];
    }
  }

  /** Settings that need a restart: done for the very first snapshot, when nobody uses the server yet, else reported. */
  async #followStartSettings(wanted: ServerPlan, isFirst: boolean): Promise<ApplyResult['problems']> {
    const started = await readStartSettings(this.#dir);
    // a listener that was opened ahead and serves no link yet is no reason to restart
    const hasWebsocketListener = wanted.hasWebsocketListener || started.hasWebsocketListener;
    if (isDeepStrictEqual(started, startSettingsOf({ ...wanted, hasWebsocketListener }))) return [];
    if (isFirst && this.#processes.isOwner) {
      await this.#processes.restartOwn();
      await this.#untilAnswered();
      return [];
    }
    const mode = wanted.hasLeafListener ? 'server' : 'client';
    const links = wanted.hasWebsocketListener ? 'and links over WebSocket' : 'without links over WebSocket';
    const text = `durability ${wanted.durability} and mode ${mode} ${links} are in force after the next restart of nats-server`;
    return [{ code: 'E_SERVER_RESTART', text }];
  }

  /** The connection comes back by itself; what was under way on the old one failed. */
  async #untilAnswered(): Promise<void> {
    await retryForever(() => this.#needSystem().flush(), { signal: this.#abort.signal, firstMs: 50 });
  }

  /** One remote per link this site dials and has a token for. */
  async #remotes(sides: LinkSide[]): Promise<LeafRemote[]> {
    const dialled = sides.filter((side) => side.isDialer && side.link.userJwt !== null);
    return Promise.all(
      dialled.map(async (side) => {
        const credsFile = this.#dir.at('nats/leaf', `${side.linkId}.creds`);
        const creds = formatCreds(side.link.userJwt ?? '', await this.#dir.linkUser(side.selfTerminal));
        if ((await readFileIfThere(credsFile))?.toString('utf8') !== creds) await writeFileAtomic(credsFile, creds);
        const proxy = dialledProxy(this.#dir.file, side.link.proxy);
        return { urls: [side.link.url], account: await this.#publicKey(side.account), credsFile, proxy };
      }),
    );
  }

  async #publicKey(account: string): Promise<string> {
    return (await this.#dir.key(account, 'account')).getPublicKey();
  }

  #needLiving(): LivingServers {
    return this.#living ?? notStarted();
  }

  #needConfig(): ServerConfig {
    return this.#config ?? notStarted();
  }

  #needSystem(): NatsConnection {
    return this.#system ?? notStarted();
  }
}

function notStarted(): never {
  throw new BusError('E_INTERNAL', 'the site server was not started');
}
