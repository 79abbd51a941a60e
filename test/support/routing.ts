/** A customer's terminals with real Routes on virtual time, and links that are arrays: no sockets, nothing is slept. */
import { generateKeyPairSync } from 'node:crypto';
import type { SnapshotCustomer, SnapshotGroup } from '../../src/api/snapshot.ts';
import type { Clock } from '../../src/clock.ts';
import { type SignFn, signerOf } from '../../src/envelope/index.ts';
import type { TakeResult } from '../../src/routing/link-state-db.ts';
import type { SequenceStore } from '../../src/routing/record-exchange.ts';
import { type LinkFacts, Routes } from '../../src/routing/routes.ts';

export class VirtualClock implements Clock {
  nowMs = 1_000;
  monotonicMs(): number {
    return this.nowMs;
  }
  wallMs(): number {
    return this.nowMs;
  }
  async sleep(): Promise<void> {}
}

/** `edges`: ends (two site names, joined by -) to operator cost. Names are the sites'; ids are made of them. */
export function customerOf(
  edges: Record<string, number>,
  options: { clients?: string[]; transit?: string[]; groups?: SnapshotGroup[] } = {},
): { customer: SnapshotCustomer; signOf: Map<string, SignFn> } {
  const sites = [...new Set(Object.keys(edges).flatMap((ends) => ends.split('-')))].sort();
  const signOf = new Map<string, SignFn>();
  const terminals = sites.map((site) => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    signOf.set(site, signerOf(privateKey));
    const mode = options.clients?.includes(site) ? ('client' as const) : ('server' as const);
    const transit = options.transit?.includes(site) ?? false;
    const signKey = publicKey.export({ format: 'jwk' }).x ?? null;
    return {
      id: idOf(site),
      siteId: idOf(`site ${site}`),
      site,
      mode,
      transit,
      signKey,
      linkUser: null,
      formats: { min: 1, max: 1 },
      isDraining: false,
      isForgotten: false,
      isRevoked: false,
      isRekeyWanted: false,
    };
  });
  const links = Object.entries(edges).map(([ends, cost]) => {
    const [a = '', b = ''] = ends.split('-');
    const compress = 'auto' as const;
    return {
      id: idOf(`link ${ends}`),
      a: idOf(a),
      b: idOf(b),
      cost,
      dialer: idOf(a),
      url: '',
      userJwt: null,
      compress,
    };
  });
  const topic = {
    id: idOf('topic'),
    name: 'trade',
    scope: 'bus' as const,
    maxBytes: 1,
    maxTransitAgeMs: 1,
    strict: false,
    ordered: false,
    dedupeMs: 1,
    keyEpoch: null,
    ticketsSinceMs: null,
    groups: options.groups ?? [],
  };
  const customer: SnapshotCustomer = {
    id: idOf('customer'),
    name: 'acme',
    isolateApps: false,
    limits: { maxConnections: null, maxPayload: null, maxStorage: null, maxConsumers: null },
    frozen: null,
    terminalId: terminals[0]!.id,
    terminals,
    links,
    topics: [topic],
    apps: [],
  };
  return { customer, signOf };
}

/** A UUID that is the text in hexadecimal, so that a failure shows names to who looks closely. */
export function idOf(text: string): string {
  const hex = Buffer.from(text.padEnd(16, '\0').slice(0, 16), 'latin1').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function groupOf(name: string, sites: string[], fields: Partial<SnapshotGroup> = {}): SnapshotGroup {
  return {
    id: idOf(name),
    name,
    terminals: sites.map(idOf),
    policy: 'nearest',
    maxBytes: 1,
    onFull: 'refuse',
    ackWaitMs: 1,
    maxDeliver: -1,
    maxAckPending: 1,
    failoverAfterMs: 5_000,
    onTerminalLoss: 'wait',
    reassignAfterMs: 3_600_000,
    ...fields,
  };
}

export const goodLink: LinkFacts = { state: 'up', rttMs: 0, jitterMs: 0, lossRatio: 0, backlogMs: 0 };
export const downLink: LinkFacts = { ...goodLink, state: 'down' };

/** Every terminal of a customer, with records that travel when `settle` is called. */
export class RoutingNet {
  readonly clock = new VirtualClock();
  readonly nodes = new Map<string, Routes>();
  /** what each terminal's database said of the records it heard */
  readonly taken = new Map<string, TakeResult[]>();
  readonly #customer: SnapshotCustomer;
  readonly #signOf: Map<string, SignFn>;
  readonly #edges: Map<string, [string, string]>;
  readonly #up = new Set<string>();
  readonly #deferred: (() => void)[] = [];
  #wire: { linkId: string; to: string; bytes: Uint8Array }[] = [];
  #sent = 0;

  constructor(edges: Record<string, number>, options: Parameters<typeof customerOf>[1] = {}) {
    const { customer, signOf } = customerOf(edges, options);
    this.#customer = customer;
    this.#signOf = signOf;
    this.#edges = new Map(Object.keys(edges).map((ends) => [ends, ends.split('-') as [string, string]]));
    for (const site of signOf.keys()) this.start(site);
  }

  /** A terminal begins a new life, its own links down. */
  start(site: string, sequence?: SequenceStore): void {
    const customer = this.customerAt(site);
    this.taken.set(site, []);
    const routes = new Routes(customer, {
      clock: this.clock,
      sign: this.#signOf.get(site)!,
      send: (linkId, bytes) => this.#post(site, linkId, bytes),
      onTaken: (result) => this.taken.get(site)?.push(result),
      defer: (work) => this.#deferred.push(work),
      ...(sequence === undefined ? {} : { sequence }),
    });
    this.nodes.set(site, routes);
  }

  at(site: string): Routes {
    return this.nodes.get(site)!;
  }

  customerAt(site: string): SnapshotCustomer {
    return { ...this.#customer, terminalId: idOf(site) };
  }

  signerOf(site: string): SignFn {
    return this.#signOf.get(site)!;
  }

  allUp(): void {
    for (const ends of this.#edges.keys()) this.#set(ends, goodLink);
    this.settle();
  }

  up(ends: string, facts: LinkFacts = goodLink): void {
    this.#set(ends, facts);
    this.settle();
  }

  down(ends: string): void {
    this.#set(ends, downLink);
    this.settle();
  }

  /** Runs until no record is on its way. */
  settle(): void {
    while (this.#deferred.length > 0 || this.#wire.length > 0) {
      for (const work of this.#deferred.splice(0)) work();
      for (const { linkId, to, bytes } of this.#wire.splice(0)) this.at(to).takeRecord(linkId, bytes);
    }
  }

  /** Time passes in steps of half a second, as the terminal's tick. */
  pass(ms: number): void {
    for (const endMs = this.clock.nowMs + ms; this.clock.nowMs < endMs; ) {
      this.clock.nowMs += 500;
      for (const routes of this.nodes.values()) routes.tick();
      this.settle();
    }
  }

  /** Records on the wire since the last time somebody asked. */
  takeSent(): number {
    const sent = this.#sent;
    this.#sent = 0;
    return sent;
  }

  /** The sites along the path. */
  path(from: string, to: string): string | null {
    const found = this.at(from).path(idOf(to));
    return found === null ? null : `${found.path.map((id) => this.siteOf(id)).join('')}${found.isWhole ? '' : '?'}`;
  }

  siteOf(id: string): string {
    return this.#customer.terminals.find((each) => each.id === id)?.site ?? id;
  }

  #set(ends: string, facts: LinkFacts): void {
    const sites = this.#edges.get(ends)!;
    if (facts.state === 'up' || facts.state === 'degraded') this.#up.add(idOf(`link ${ends}`));
    else this.#up.delete(idOf(`link ${ends}`));
    for (const site of sites) this.at(site).linkChanged(idOf(`link ${ends}`), facts);
  }

  #post(from: string, linkId: string, bytes: Uint8Array): void {
    if (!this.#up.has(linkId)) return;
    const link = this.#customer.links.find(({ id }) => id === linkId)!;
    const to = this.siteOf(link.a === idOf(from) ? link.b : link.a);
    this.#sent += 1;
    this.#wire.push({ linkId, to, bytes });
  }
}
