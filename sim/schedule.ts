/**
 * One schedule: a plan, the bus it happens to, and the verdict. Applications publish, faults strike, everything is healed,
 * and then all that was captured must arrive and nothing may be left on the way.
 */
import type { Logger } from '../src/log.ts';
import type { LinkSide } from '../src/site/index.ts';
import type { StoredMessage, StreamHooks } from './broker/stream.ts';
import { Leaf } from './leaf.ts';
import { Ledger, type Violation } from './ledger.ts';
import { Nemesis } from './nemesis.ts';
import { crashWindow, drawPlan, type Plan } from './plan.ts';
import { Random } from './random.ts';
import { enterRealm } from './realm.ts';
import { labelOf, Scheduler } from './scheduler.ts';
import { Site } from './site.ts';
import { idOf, keyNameOf, snapshotOf } from './topology.ts';
import { ForgedReceipts, type Variant } from './variants.ts';

export interface Verdict {
  plan: Plan;
  violations: Violation[];
  /** what ran in which order */
  hash: string;
  events: number;
  messages: number;
  faults: number;
  virtualMs: number;
  mostHeld: number;
  /** events of each process while messages of a crash plan are on their way */
  steps: Record<string, number>;
}

export interface RunOptions {
  variant: Variant;
  /** told of everything that happens */
  onLine?: ((text: string) => void) | undefined;
}

/** what is delivered late is delivered; a loss that a variant provokes need not be waited for as long */
const quietMs = { none: 240_000, other: 60_000 };
const checkEvery = 64;
const maxHeld = 2_000;
const publishLabel = labelOf('publish');
const consumeLabel = labelOf('consume');
const countLabel = labelOf('count');
const encoder = new TextEncoder();

export function planOf(seed: number): Plan {
  return drawPlan(seed, new Random(seed, 'plan'));
}

export function runPlan(plan: Plan, options: RunOptions): Verdict {
  return new Schedule(plan, options).run();
}

class Schedule {
  readonly #plan: Plan;
  readonly #options: RunOptions;
  readonly #scheduler = new Scheduler();
  readonly #random: Random;
  readonly #ledger: Ledger;
  readonly #sites = new Map<string, Site>();
  readonly #leafs = new Map<string, Leaf>();
  readonly #nemesis: Nemesis;
  readonly #published = new Map<string, number>();
  readonly #steps: Record<string, number> = {};
  #isPublishing = true;
  #mostHeld = 0;

  constructor(plan: Plan, options: RunOptions) {
    this.#plan = plan;
    this.#options = options;
    const { seed, topology } = plan;
    const scheduler = this.#scheduler;
    this.#random = new Random(seed, 'net');
    enterRealm({ scheduler, timing: new Random(seed, 'timing'), chance: new Random(seed, 'chance') });
    this.#ledger = new Ledger({
      topics: topology.topics.map(({ name, groups }) => ({ name, groups: Object.keys(groups) })),
      macKeyOf,
      nowMs: () => scheduler.nowMs,
      isStrict: options.variant === 'none',
      // what a full stream refuses comes behind what it had room for
      isOrdered: () => topology.isTree && !plan.isGroupTight && this.#nemesis.struck === 0,
    });
    this.#build();
    this.#nemesis = new Nemesis({
      scheduler,
      random: new Random(seed, 'nemesis'),
      sites: this.#sites,
      leafs: new Map(topology.links.map(([a, b]) => [`${a}-${b}`, this.#leafs.get(idOf(`link ${a}${b}`))!])),
      isDiskLate: options.variant === 'early-custody',
      onLine: (text) => this.#tell(text),
    });
  }

  run(): Verdict {
    const scheduler = this.#scheduler;
    scheduler.onError = (error) => this.#ledger.note('error', textOf(error));
    if (this.#options.onLine !== undefined) scheduler.onLine = (text) => this.#tell(text);
    const onRejection = (error: unknown): void => this.#ledger.note('error', `nobody caught: ${textOf(error)}`);
    process.on('unhandledRejection', onRejection);
    try {
      this.#play();
    } finally {
      process.off('unhandledRejection', onRejection);
    }
    const { captured: messages, violations } = this.#ledger;
    const { hash, steps: events, nowMs: virtualMs } = scheduler;
    const counts = { events, messages, faults: this.#nemesis.struck, virtualMs, mostHeld: this.#mostHeld };
    return { plan: this.#plan, violations, hash, ...counts, steps: this.#steps };
  }

  #play(): void {
    const { bursts, faults, isGroupTight } = this.#plan;
    for (const site of this.#sites.values()) {
      site.startServer();
      site.startSidecar();
    }
    for (const { topic, atMs, count } of bursts) {
      this.#scheduler.at(atMs, null, publishLabel, () => this.#publish(topic, count));
    }
    for (const fault of faults) this.#nemesis.plan(fault);
    if (isGroupTight) this.#consumeSoon();
    this.#scheduler.at(crashWindow.fromMs, null, countLabel, () => this.#countSteps(-1));
    this.#scheduler.at(crashWindow.toMs, null, countLabel, () => this.#countSteps(1));
    const endMs = Math.max(0, ...bursts.map(({ atMs }) => atMs));
    this.#runUntil(endMs + 1, () => this.#scheduler.nowMs > endMs);
    this.#isPublishing = false;
    this.#runUntil(Number.POSITIVE_INFINITY, () => this.#nemesis.isOver);
    const waitMs = this.#options.variant === 'none' ? quietMs.none : quietMs.other;
    this.#runUntil(this.#scheduler.nowMs + waitMs, () => this.#isAtRest());
    if (this.#ledger.violations.length > 0) return;
    this.#ledger.finish();
    if (!this.#isAtRest()) this.#ledger.note('stuck', this.#leftText());
  }

  #runUntil(endMs: number, isOver: () => boolean): void {
    const scheduler = this.#scheduler;
    for (let steps = 0; this.#ledger.violations.length === 0; steps++) {
      if (steps % checkEvery === 0) {
        this.#checkMemory();
        if (isOver()) return;
      }
      if (scheduler.nowMs > endMs || !scheduler.step()) return;
    }
  }

  #build(): void {
    const { topology, isGroupTight, isTransitTight, replayShare, latencyMs, stallShare } = this.#plan;
    const { variant } = this.#options;
    const scheduler = this.#scheduler;
    const random = this.#random;
    for (const name of topology.sites) {
      const snapshot = snapshotOf(topology, name, { groupMaxBytes: isGroupTight ? 2_500 : 64 * 1024 * 1024 });
      const site = new Site({
        name,
        scheduler,
        random,
        snapshot,
        sides: topology.links.flatMap((link) => sideOf(link, name)),
        leafs: this.#leafs,
        macKey: macKeyOf(name),
        transitMaxBytes: isTransitTight ? 64 * 1024 : 64 * 1024 * 1024,
        stallShare,
        streamHooks: this.#hooksOf(name),
        isMarkerHidden: variant === 'no-marker',
        log: this.#loggerOf(name),
      });
      this.#sites.set(name, site);
    }
    const forged = new ForgedReceipts((id) => this.#keyNames.get(id));
    for (const [index, link] of topology.links.entries()) {
      const [a, b] = link.map((name) => this.#sites.get(name)!.endOf(sideOf(link, name)[0]!));
      const linkId = idOf(`link ${link.join('')}`);
      const leaf = new Leaf({
        scheduler,
        random,
        linkId,
        ends: [a!, b!],
        latencyMs: latencyMs[index] ?? 1,
        replayShare,
        companions: (packet) => (variant === 'no-receipts' ? forged.behind(packet) : []),
      });
      this.#leafs.set(linkId, leaf);
    }
    for (const leaf of this.#leafs.values()) leaf.serverStarted();
  }

  get #keyNames(): ReadonlyMap<string, string> {
    return new Map(this.#plan.topology.sites.map((name) => [idOf(name), keyNameOf(name)]));
  }

  #hooksOf(site: string): StreamHooks {
    const { variant } = this.#options;
    return {
      nowMs: () => this.#scheduler.nowMs,
      onStored: (stream, message) => this.#ledger.onStored(site, stream, message),
      onRemoved: (stream, message) => this.#ledger.onRemoved(stream, message),
      onLost: (stream, message) => this.#ledger.onLost(site, stream, message),
      isExpectationIgnored: variant === 'no-marker' || variant === 'no-expectation',
      isBatchTorn: this.#plan.areBatchesTorn || variant === 'no-hold',
      isHoldIgnored: variant === 'no-hold',
    };
  }

  /** An application: what the server does not take it publishes no more. */
  #publish(topic: string, count: number): void {
    const at = this.#plan.topology.topics.find(({ name }) => name === topic)?.at ?? '';
    const site = this.#sites.get(at);
    if (site === undefined || !site.broker.isAlive || !this.#isPublishing) return;
    const account = site.broker.account(site.customerAccount);
    for (let left = count; left > 0; left--) {
      const number = (this.#published.get(topic) ?? 0) + 1;
      this.#published.set(topic, number);
      const data = encoder.encode(`${topic}-${number}`);
      account.publish({ subject: `${topic}.${number % 3}`, reply: '', headers: null, data });
    }
  }

  /** Applications that take what waits for them, a little at a time. */
  #consumeSoon(): void {
    this.#scheduler.at(this.#random.between(100, 600), null, consumeLabel, () => {
      for (const site of this.#sites.values()) if (site.broker.isAlive) this.#consume(site);
      this.#consumeSoon();
    });
  }

  #consume(site: Site): void {
    for (const stream of site.streams(site.customerAccount).values()) {
      if (!stream.name.includes('@')) continue;
      const consumer = stream.consumers.get(stream.name.split('@')[1] ?? '');
      const isWaiting = ({ seq, subject }: StoredMessage): boolean =>
        !subject.startsWith('_mb.') && !stream.isConsumed(seq);
      const waiting = [...stream.messages.values()].filter(isWaiting);
      for (const message of waiting.slice(0, this.#random.whole(0, 6))) consumer?.consume(message);
    }
  }

  /** All has arrived, is acknowledged, and nothing lies on the way. */
  #isAtRest(): boolean {
    return this.#ledger.open === 0 && this.#leftText() === '';
  }

  #leftText(): string {
    const left: string[] = [];
    if (this.#ledger.open > 0) left.push(`${this.#ledger.open} messages did not arrive`);
    for (const site of this.#sites.values()) {
      for (const { name } of this.#plan.topology.topics) {
        const size = site.streams(site.customerAccount).get(name)?.messages.size ?? 0;
        if (size > 0) left.push(`${size} messages stay in ${name} at ${site.name}`);
      }
      for (const stream of site.streams('BUS').values()) {
        if (stream.messages.size > 0) left.push(`${stream.messages.size} frames stay in transit at ${site.name}`);
      }
    }
    return left.join('; ');
  }

  #countSteps(sign: 1 | -1): void {
    for (const { sidecar, broker } of this.#sites.values()) {
      for (const process of [sidecar, broker.process]) {
        if (process !== undefined) this.#steps[process.name] = (this.#steps[process.name] ?? 0) + sign * process.steps;
      }
    }
  }

  #checkMemory(): void {
    for (const site of this.#sites.values()) {
      this.#mostHeld = Math.max(this.#mostHeld, site.held);
      if (site.held > maxHeld) this.#ledger.note('memory', `${site.name} holds ${site.held} timers and requests`);
    }
  }

  #tell(text: string): void {
    this.#options.onLine?.(`${this.#scheduler.nowMs.toFixed(3).padStart(12)} ${text}`);
  }

  #loggerOf(site: string): Logger {
    const { onLine } = this.#options;
    const write = (level: string) => (fields: unknown, text?: string) => {
      if (onLine === undefined) return;
      const { event = '', reason = '', err } = (fields ?? {}) as { event?: string; reason?: string; err?: unknown };
      this.#tell(`  ${site} ${level} ${event} ${text ?? ''} ${reason} ${err === undefined ? '' : textOf(err)}`);
    };
    const logger = {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      fatal: write('fatal'),
      child: () => logger,
    };
    return logger as Logger;
  }
}

function macKeyOf(site: string): Uint8Array {
  return Buffer.alloc(32, site);
}

function sideOf([a, b]: readonly [string, string], self: string): LinkSide[] {
  if (self !== a && self !== b) return [];
  const peer = self === a ? b : a;
  const linkId = idOf(`link ${a}${b}`);
  return [
    {
      linkId,
      customerId: idOf('customer'),
      account: '',
      selfSite: idOf(`site ${self}`),
      peerSite: idOf(`site ${peer}`),
      peerName: peer,
      selfTerminal: idOf(self),
      peerTerminal: idOf(peer),
      isDialer: self === a,
      dialerUser: null,
      link: {
        id: linkId,
        a: idOf(a),
        b: idOf(b),
        cost: 1,
        dialer: idOf(a),
        url: '',
        userJwt: null,
        compress: 'never',
      },
    },
  ];
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
