/**
 * The links of a terminal: a connection into each link account and a session on it, and what sessions and routing tell
 * each other. A link that cannot be opened is a problem of that link alone.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { LinkFacts, Routes } from '../routing/index.ts';
import type { LinkSide, SiteServer } from '../site/index.ts';
import { LinkSession } from '../transit/index.ts';
import type { TerminalMetrics } from './terminal-metrics.ts';

export interface LinksOptions {
  site: Pick<SiteServer, 'connect' | 'links' | 'isLinkUp' | 'redial'>;
  customer: { id: string; name: string };
  routes: Routes;
  /** filled and emptied here; others find sessions in it by the link's id */
  sessions: Map<string, LinkSession>;
  onFrame: (frame: Uint8Array) => Promise<void>;
  onNote: (frame: Uint8Array) => void;
  onUp: (linkId: string) => void;
  /** a link has come up, gone down or changed in between */
  onState: () => void;
  metrics: TerminalMetrics;
  clock: Clock;
  log: Logger;
}

interface Link {
  side: LinkSide;
  nc: NatsConnection;
  session: LinkSession;
}

export class Links {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, Link>();

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  get all(): ReadonlyMap<string, { side: LinkSide; session: LinkSession }> {
    return this.#links;
  }

  /** Closes links that are gone and opens new ones, each through `attempt`. */
  async configure(attempt: (what: string, work: () => Promise<void>) => Promise<void>): Promise<void> {
    const { site, customer } = this.#options;
    const sides = site.links.filter((side) => side.customerId === customer.id);
    for (const linkId of [...this.#links.keys()]) {
      if (!sides.some((side) => side.linkId === linkId)) await this.#close(linkId);
    }
    for (const side of sides) {
      if (!this.#links.has(side.linkId)) await attempt(`link ${side.linkId}`, () => this.#open(side));
    }
  }

  async stop(): Promise<void> {
    for (const linkId of [...this.#links.keys()]) await this.#close(linkId);
  }

  async #close(linkId: string): Promise<void> {
    const link = this.#links.get(linkId);
    link?.session.stop();
    this.#links.delete(linkId);
    this.#options.sessions.delete(linkId);
    await link?.nc.close();
  }

  async #open(side: LinkSide): Promise<void> {
    const { site, customer, routes, sessions, onFrame, onNote, onUp, onState, metrics, clock, log } = this.#options;
    const { linkId, selfSite, peerSite, peerName } = side;
    const nc = await site.connect({ link: linkId }, { name: `link to ${peerName}` });
    const labels = { customer: customer.name, peer: peerName };
    const session: LinkSession = new LinkSession({
      nc,
      linkId,
      self: selfSite,
      peer: peerSite,
      peerName,
      clock,
      log: log.child({ link: linkId }),
      onFrame,
      onNote,
      onRecord: (bytes) => routes.takeRecord(linkId, bytes),
      onFacts: (facts) => this.#tell(linkId, labels, facts),
      onState: (state) => {
        metrics.linkUp.set(labels, session.isUp ? 1 : 0);
        if (state === 'up') onUp(linkId);
        onState();
      },
      ...(side.isDialer ? { redial: () => this.#redial(linkId, labels) } : {}),
      isConnected: () => site.isLinkUp(linkId),
    });
    this.#links.set(linkId, { side, nc, session });
    sessions.set(linkId, session);
    session.start();
  }

  #tell(linkId: string, labels: { customer: string; peer: string }, facts: LinkFacts): void {
    const { routes, metrics } = this.#options;
    routes.linkChanged(linkId, facts);
    if (facts.rttMs !== null) metrics.linkRtt.set(labels, facts.rttMs / 1_000);
    metrics.linkJitter.set(labels, facts.jitterMs / 1_000);
    metrics.linkLoss.set(labels, facts.lossRatio);
    metrics.linkBacklog.set(labels, facts.backlogMs / 1_000);
    metrics.linkCost.set(labels, routes.costOf(linkId) ?? 0);
  }

  async #redial(linkId: string, labels: { customer: string; peer: string }): Promise<void> {
    this.#options.metrics.linkRedials.inc(labels);
    await this.#options.site.redial(linkId);
  }
}
