/**
 * The sidecar of one site: keeps the site in line with its signed snapshot and runs a terminal per customer. Only wiring,
 * start and stop; the work is in src/site (accounts, links) and src/terminal (the way of a message).
 *
 * Starts from the snapshot on disk, so a site that is alone comes up as it was; the control plane is asked as soon as it
 * answers, again at every notice and every few seconds. nats-server goes on when this process ends.
 */
import { isDeepStrictEqual } from 'node:util';
import { createControlClient, readSnapshot } from './api/index.ts';
import type { ControlClient } from './api/methods.ts';
import type { SiteReport } from './api/site-report.ts';
import type { Snapshot } from './api/snapshot.ts';
import { systemClock } from './clock.ts';
import { ControlSteps } from './control-steps.ts';
import { FORMATS } from './envelope/index.ts';
import { answerTraces, doLetterTasks } from './errands.ts';
import { BusError } from './errors.ts';
import { lastingProblems } from './lasting-problems.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Logger } from './log.ts';
import { createMetrics, serveMonitoring } from './metrics.ts';
import { missingStandbys, Seat } from './seat.ts';
import { splitAddress } from './server/index.ts';
import {
  type ApplyResult,
  CertificateRenewal,
  createCertificateMetrics,
  createServersMetric,
  openSiteDir,
  type SiteDir,
  SiteServer,
} from './site/index.ts';
import { statusOfSite } from './status/index.ts';
import {
  createTerminalMetrics,
  keepRegistered,
  linksDownOf,
  notReadyOf,
  reportTerminal,
  showGroups,
  type TerminalMetrics,
} from './terminal/index.ts';
import { Terminals } from './terminals.ts';
import { programVersion } from './version.ts';

export interface SidecarOptions {
  dir: string;
  /** somebody else starts nats-server: wait for it */
  externalServer?: boolean;
  /** one of several sidecars of this site, by its number: works while it holds the site's lease */
  seat?: number | undefined;
  /** of three nats-servers, those on this machine; default all */
  servers?: readonly number[] | undefined;
  /** host:port of metrics and health; default a free port on loopback */
  monitor?: string | undefined;
  /** room for what this site carries for others, bytes per customer; default 1 GiB */
  transitMaxBytes?: number | undefined;
  log: Logger;
}

export interface RunningSidecar {
  readonly monitorUrl: string;
  stop(): Promise<void>;
  /** of several sidecars: rejects with what this one ends of, E_LEASE_LOST when another has taken over */
  readonly closed?: Promise<void>;
}

const pollMs = 5_000;
const reportMs = 3_000;
const askedAgainMs = 500;
/** a change of a link is reported after this time, together with what else changes meanwhile */
const urgentMs = 100;
/** keeps a report below the largest message of a server */
const maxRoutes = 1_500;
const maxSealedTickets = 2_000;

/** Resolves when the site's server is reached and the daemon works, or stands by; E_SITE_DIR E_SIDECAR_RUNNING E_NATS_SERVER_… */
export async function startSidecar(options: SidecarOptions): Promise<RunningSidecar> {
  const { log } = options;
  const lifecycle = new Lifecycle(log);
  try {
    const dir = await openSiteDir(options.dir);
    const lock = await dir.lock(options.seat);
    lifecycle.push('lock', () => lock.release());
    const { externalServer: isExternal = false, servers, seat: preferred } = options;
    const site = new SiteServer({ dir, log, isExternal, servers, preferred });
    lifecycle.push('site', () => site.close());
    const seat = options.seat === undefined ? undefined : takeSeat(options.seat, site, lifecycle, log);
    const sidecar = new Sidecar(dir, site, lifecycle, options, seat);
    const monitoring = await serveMonitoring(
      sidecar.metricsRegistry,
      sidecar,
      splitAddress(options.monitor ?? '127.0.0.1:0'),
    );
    lifecycle.push('monitoring', () => monitoring.close());
    await site.open();
    const work = async (): Promise<void> => {
      await site.start(await seat?.take(lifecycle.signal));
      seat?.hasShut();
      await sidecar.start();
      log.info({ event: 'sidecar.started', site: dir.file.site, monitor: monitoring.url }, 'sidecar runs');
    };
    const running = { monitorUrl: monitoring.url, stop: () => lifecycle.stop() };
    if (seat !== undefined) return { ...running, closed: seat.untilLost(work(), lifecycle.signal) };
    await work();
    return running;
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}

function takeSeat(seat: number, site: SiteServer, lifecycle: Lifecycle, log: Logger): Seat {
  const taken = new Seat({ seat, site, replicas: site.replicas, clock: systemClock, log });
  lifecycle.push('seat', () => taken.stop());
  return taken;
}

class Sidecar {
  readonly metricsRegistry: ReturnType<typeof createMetrics>;
  readonly #dir: SiteDir;
  readonly #site: SiteServer;
  readonly #lifecycle: Lifecycle;
  readonly #log: Logger;
  readonly #seat: Seat | undefined;
  readonly #metrics: TerminalMetrics;
  readonly #terminals: Terminals;
  readonly #steps: ControlSteps;
  readonly #certificate: CertificateRenewal;
  #control: ControlClient | undefined;
  #snapshot: Snapshot | undefined;
  #applied = -1;
  #applyResult: ApplyResult = { linkCredentials: [], apps: [], problems: [] };
  #lastReport: SiteReport | undefined;
  #reportedAtMs = 0;

  constructor(
    dir: SiteDir,
    site: SiteServer,
    lifecycle: Lifecycle,
    { log, transitMaxBytes }: SidecarOptions,
    seat: Seat | undefined,
  ) {
    this.#seat = seat;
    this.#dir = dir;
    this.#site = site;
    this.#lifecycle = lifecycle;
    this.#log = log;
    this.metricsRegistry = createMetrics({ site: dir.file.site });
    this.#metrics = createTerminalMetrics(this.metricsRegistry);
    createCertificateMetrics(this.metricsRegistry, dir);
    this.#steps = new ControlSteps(lifecycle.signal, log);
    const control: Pick<ControlClient, 'call'> = { call: (...request) => this.#needControl().call(...request) };
    this.#certificate = new CertificateRenewal({ dir, control, clock: systemClock, log });
    const common = { dir, site, control, metrics: this.#metrics, log };
    this.#terminals = new Terminals({ ...common, transitMaxBytes, onLinkState: () => this.#queueReportIn(urgentMs) });
    seat?.registerMetrics(this.metricsRegistry);
    createServersMetric(this.metricsRegistry, site);
  }

  /** Ready: it stands by, or the newest snapshot known is applied and every topic stands. A neighbour that is away changes nothing of that. */
  notReady(): string[] {
    const snapshot = this.#snapshot;
    if (this.#seat?.isActive === false) return [this.#seat.hindrance ?? []].flat();
    if (snapshot === undefined) return ['no configuration yet: the control plane has not answered'];
    const reasons = this.#hindrances().map((problem) => problem.text);
    if (this.#applied !== snapshot.version) reasons.push(`configuration ${snapshot.version} is being applied`);
    for (const customer of snapshot.customers) reasons.push(...notReadyOf(customer, this.#terminals.of(customer.id)));
    return reasons;
  }

  linksDown(): string[] {
    return (this.#snapshot?.customers ?? []).flatMap((customer) =>
      linksDownOf(customer, this.#terminals.of(customer.id)),
    );
  }

  status(): unknown {
    return {
      site: this.#dir.file.site,
      ready: this.notReady().length === 0,
      reasons: this.notReady(),
      linksDown: this.linksDown(),
      sidecars: this.#seat?.roles ?? [],
      servers: this.#site.servers,
      report: this.#lastReport,
      view: this.#view(),
    };
  }

  /** What `mbus status` shows of this site, also without the control plane. */
  #view(): ReturnType<typeof statusOfSite> | null {
    const snapshot = this.#snapshot;
    const report = this.#lastReport;
    if (snapshot === undefined || report === undefined) return null;
    const reportAgeMs = systemClock.monotonicMs() - this.#reportedAtMs;
    const { busId } = this.#dir.file;
    return statusOfSite({ busId, snapshot, report, reportAgeMs, isControlAway: this.#steps.isControlAway });
  }

  async start(): Promise<void> {
    // first, so that a terminal that starts with a backlog finds it when it asks for its ticket
    const control = await this.#connectControl();
    this.#control = control;
    const cached = await this.#readCached();
    if (cached !== undefined) await this.#apply(cached);
    this.#site.onLinkChange((linkId, isUp) => {
      for (const terminal of this.#terminals.all) terminal.connectionChanged(linkId, isUp);
    });
    this.#site.onJetStreamRestart(() => {
      for (const terminal of this.#terminals.all) terminal.storageRestarted();
    });
    control.onNotice((version) => {
      if (version !== this.#snapshot?.version) this.#sync();
      else this.#queueReport();
    });
    const poll = setInterval(() => this.#sync(), pollMs);
    const report = setInterval(() => this.#queueReport(), reportMs);
    this.#lifecycle.push('terminals', () => this.#stopTerminals());
    this.#lifecycle.push('timers', () => {
      clearInterval(poll);
      clearInterval(report);
    });
    this.#sync();
  }

  /** One piece of work after the other: fetch, apply, register, report. */
  #sync(): void {
    this.#steps.enqueue('sync', async () => {
      if (await this.#site.appTls.hasNews(this.#snapshot?.site.tls)) await this.#applyUnfinished(true);
      await this.#fetch();
      if (this.#snapshot !== undefined && (await this.#certificate.renew(this.#snapshot)))
        await this.#apply(this.#snapshot);
      if (this.#snapshot !== undefined && systemClock.wallMs() >= this.#site.credentialsDueMs)
        await this.#apply(this.#snapshot);
      await this.#registerTerminals();
      await this.#report();
    });
  }

  #queueReport(): void {
    this.#steps.enqueue('report', () => this.#report());
  }

  #queueReportIn(delayMs: number): void {
    this.#steps.enqueueIn(delayMs, 'report', () => this.#report());
  }

  async #fetch(): Promise<void> {
    const have = this.#snapshot?.version ?? -1;
    const answer = await this.#needControl()
      .call('snapshot.get', { have })
      .catch(async (error: unknown) => {
        await this.#steps.attempt('apply', () => this.#applyUnfinished());
        throw error;
      });
    if (answer.snapshot !== null && answer.signature !== null) {
      const signed = { text: answer.snapshot, signature: answer.signature };
      const snapshot = readSnapshot(signed, this.#dir.file.control.signKey);
      if (snapshot.site.id !== this.#dir.file.siteId || snapshot.version < (this.#snapshot?.version ?? 0)) return;
      await this.#dir.storeSnapshot(signed);
      await this.#steps.attempt('apply', () => this.#apply(snapshot));
    } else {
      await this.#steps.attempt('apply', () => this.#applyUnfinished());
    }
  }

  /** What is due, or did not work the last time, is done again; that takes no control plane. */
  async #applyUnfinished(isDue = this.#hindrances().length > 0): Promise<void> {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    if (isDue || this.#applied !== snapshot.version) await this.#apply(snapshot);
  }

  async #readCached(): Promise<Snapshot | undefined> {
    const signed = await this.#dir.readSnapshot();
    if (signed === undefined) return undefined;
    try {
      return readSnapshot(signed, this.#dir.file.control.signKey);
    } catch (error) {
      this.#log.warn({ event: 'snapshot.unusable', err: error }, 'the snapshot on disk is not used');
      return undefined;
    }
  }

  /** Accounts and links first, then streams and durables, then the rights that depend on them. */
  async #apply(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
    const isReady = (customerId: string, topicId: string): boolean =>
      this.#terminals.of(customerId)?.isTopicReady(topicId) ?? false;
    await this.#site.apply(snapshot, isReady);
    await this.#terminals.closeRemoved(snapshot);
    for (const customer of snapshot.customers) {
      const terminal = await this.#terminals.open(customer, snapshot);
      await terminal.configure(customer, snapshot);
    }
    this.#applyResult = await this.#site.apply(snapshot, isReady);
    this.#applied = snapshot.version;
    this.#log.info({ event: 'snapshot.applied', version: snapshot.version }, 'configuration applied');
  }

  async #registerTerminals(): Promise<void> {
    const snapshot = this.#snapshot;
    const context = { dir: this.#dir, control: this.#needControl(), log: this.#log };
    for (const customer of snapshot?.customers ?? []) {
      if (!(await keepRegistered(context, customer))) continue;
      await this.#terminals.close(customer.id);
      this.#applied = -1;
    }
    if (this.#applied === -1) await this.#fetch();
  }

  async #report(): Promise<void> {
    if (this.#snapshot === undefined) return;
    const parts = await Promise.all(this.#terminals.all.map(reportTerminal));
    const report: SiteReport = {
      applied: this.#applied,
      sidecarVersion: programVersion(),
      formats: FORMATS,
      serverVersion: this.#site.version,
      linkCredentials: this.#applyResult.linkCredentials,
      links: parts.flatMap((part) => part.links),
      routes: parts.flatMap((part) => part.routes).slice(0, maxRoutes),
      groups: parts.flatMap((part) => part.groups),
      topics: parts.flatMap((part) => part.topics),
      limits: parts.flatMap((part) => part.limits),
      usage: await this.#site.usage(this.#snapshot.customers),
      apps: this.#applyResult.apps.map((app) => ({ ...app, isReady: true })),
      problems: [...this.#problems(), ...(await this.#site.endingSoon(this.#snapshot.customers))],
      sidecars: this.#seat?.roles ?? [],
      servers: this.#site.servers,
      sealed: this.#terminals.all.flatMap((terminal) => terminal.sealed).slice(0, maxSealedTickets),
    };
    showGroups(this.#metrics, this.#snapshot.customers, report.groups);
    const isNews = !isDeepStrictEqual(report.linkCredentials, this.#lastReport?.linkCredentials);
    this.#lastReport = report;
    this.#reportedAtMs = systemClock.monotonicMs();
    const { version, traces, letterTasks } = await this.#needControl().call('site.report', report);
    await answerTraces(this.#needControl(), this.#terminals, traces);
    await doLetterTasks(this.#needControl(), this.#terminals, letterTasks);
    // what is under way, and what was changed, is told again soon
    if (traces.length > 0 || letterTasks.length > 0) this.#queueReportIn(askedAgainMs);
    if (isNews && version !== this.#snapshot.version) this.#sync();
  }

  #problems(): { code: string; text: string }[] {
    const ofTerminals = this.#terminals.all.flatMap((terminal) => terminal.problems);
    const { diskProblem } = this.#site;
    const ofDisk = diskProblem === '' ? [] : [{ code: 'E_DISK_FULL', text: diskProblem }];
    return [
      ...ofDisk,
      ...missingStandbys(this.#seat, this.#snapshot?.site.sidecars),
      ...this.#site.serverProblems,
      ...this.#applyResult.problems,
      ...this.#steps.problems,
      ...ofTerminals,
    ];
  }

  /** Problems that another apply may solve. */
  #hindrances(): { code: string; text: string }[] {
    return this.#problems().filter(({ code }) => !lastingProblems.has(code));
  }

  async #connectControl(): Promise<ControlClient> {
    const { busId, siteId, control } = this.#dir.file;
    const nc = await this.#site.connect('CTL', { name: 'sidecar' });
    const caller = await this.#dir.requestKey();
    return createControlClient({ nc, busId, callerId: siteId, caller, control });
  }

  #needControl(): ControlClient {
    if (this.#control !== undefined) return this.#control;
    throw new BusError('E_CONTROL_AWAY', 'the connection to the control plane is not open yet');
  }

  async #stopTerminals(): Promise<void> {
    await this.#steps.idle();
    await this.#terminals.stop();
    await this.#control?.close();
  }
}
