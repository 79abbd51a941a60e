/**
 * A customer of many terminals on virtual time: the real records, database, flooding and path search of src/routing, over
 * links that are a delay. One process holds all terminals, so what is equal everywhere is kept once: a record's decoded
 * form, and whether its signature holds (both are measured apart, once per record).
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Clock } from '../src/clock.ts';
import { signerOf } from '../src/envelope/index.ts';
import { PathFinder } from '../src/routing/paths.ts';
import { RecordExchange } from '../src/routing/record-exchange.ts';
import { RecordReader } from '../src/routing/record-reader.ts';
import type { DecodedRecord, LinkEntry } from '../src/routing/records.ts';

export interface SimLink {
  id: string;
  /** positions of its terminals */
  a: number;
  b: number;
  operatorCost: number;
  delayMs: number;
  isUp: boolean;
}

interface SimNode {
  id: string;
  exchange: RecordExchange;
  links: SimLink[];
  records: number;
  bytes: number;
}

const customerId = simId(1, 0);

export class SimNet {
  readonly clock = new SimClock();
  readonly nodes: SimNode[];
  readonly links: SimLink[];
  /** called when a terminal has taken a record that was newer */
  onNewer: (node: number, terminalId: string) => void = () => undefined;
  readonly #reader = new RememberingReader();
  readonly #linkById: Map<string, SimLink>;
  readonly #positionOf: Map<string, number>;

  constructor(terminals: number, linksEach: number, random: () => number) {
    this.links = makeLinks(terminals, linksEach, random);
    this.#linkById = new Map(this.links.map((link) => [link.id, link]));
    const ids = Array.from({ length: terminals }, (_, index) => simId(2, index));
    this.#positionOf = new Map(ids.map((id, index) => [id, index]));
    const keys = ids.map(() => generateKeyPairSync('ed25519'));
    const known = new Map(
      ids.map((id, index) => {
        const signKey = keys[index]!.publicKey.export({ format: 'jwk' }).x ?? '';
        return [id, { signKey, links: linksEach * 8, groups: 0 }] as const;
      }),
    );
    this.nodes = ids.map((id, index) => {
      const exchange = new RecordExchange({
        customerId,
        selfId: id,
        clock: this.clock,
        sign: signerOf(keys[index]!.privateKey),
        configOf: (terminalId) => known.get(terminalId),
        send: (linkId, bytes) => this.#post(index, linkId, bytes),
        onTaken: ({ outcome, ...rest }) => {
          if (outcome === 'newer' && 'record' in rest) this.onNewer(index, rest.record.terminalId);
        },
        reader: this.#reader,
      });
      return { id, exchange, links: [], records: 0, bytes: 0 };
    });
    for (const link of this.links) for (const end of [link.a, link.b]) this.nodes[end]!.links.push(link);
  }

  /** All links come up at once; the terminals at these positions say so. */
  start(announcing: readonly number[]): void {
    for (const link of this.links) {
      link.isUp = true;
      for (const end of [link.a, link.b]) this.nodes[end]!.exchange.linkUp(link.id);
    }
    for (const position of announcing) this.announce(position);
  }

  /** Both ends notice at the same time. */
  setLink(link: SimLink, isUp: boolean): void {
    link.isUp = isUp;
    for (const end of [link.a, link.b]) {
      const { exchange } = this.nodes[end]!;
      if (isUp) exchange.linkUp(link.id);
      else exchange.linkDown(link.id);
      this.announce(end);
    }
  }

  announce(position: number): void {
    const { exchange, links } = this.nodes[position]!;
    const entries: LinkEntry[] = links
      .filter(({ isUp }) => isUp)
      .map(({ id, delayMs }) => ({ linkId: id, isDegraded: false, extraMilli: 10 * delayMs, rttMs: 2 * delayMs }));
    exchange.announceLinks(entries);
  }

  /** Until nothing is on its way. */
  run(): void {
    this.clock.run();
  }

  resetCounts(): void {
    for (const node of this.nodes) Object.assign(node, { records: 0, bytes: 0 });
  }

  positionOf(terminalId: string): number {
    return this.#positionOf.get(terminalId)!;
  }

  /** The graph with its true states, for a search by the real path code. */
  pathFinder(): PathFinder {
    return new PathFinder({
      nodes: this.nodes.map(({ id }) => ({ node: id, isTransit: true })),
      edges: this.links.map(({ a, b, operatorCost, delayMs, isUp }) => ({
        a: this.nodes[a]!.id,
        b: this.nodes[b]!.id,
        cost: operatorCost * 1_000 + 10 * delayMs,
        state: isUp ? 'up' : 'down',
      })),
    });
  }

  #post(from: number, linkId: string, bytes: Uint8Array): void {
    const link = this.#linkById.get(linkId)!;
    const node = this.nodes[from]!;
    node.records += 1;
    node.bytes += bytes.length;
    const to = this.nodes[link.a === from ? link.b : link.a]!.exchange;
    this.clock.after(link.delayMs, () => {
      if (link.isUp) to.take(linkId, bytes);
    });
  }
}

/** Milliseconds are slots: whole delays need no heap. */
class SimClock implements Clock {
  #nowMs = 0;
  readonly #slots = new Map<number, (() => void)[]>();
  #pending = 0;

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  async sleep(): Promise<void> {}

  after(delayMs: number, work: () => void): void {
    const atMs = this.#nowMs + Math.max(1, Math.round(delayMs));
    const slot = this.#slots.get(atMs);
    if (slot === undefined) this.#slots.set(atMs, [work]);
    else slot.push(work);
    this.#pending += 1;
  }

  run(): void {
    while (this.#pending > 0) {
      this.#nowMs += 1;
      const slot = this.#slots.get(this.#nowMs);
      if (slot === undefined) continue;
      this.#slots.delete(this.#nowMs);
      this.#pending -= slot.length;
      for (const work of slot) work();
    }
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }
}

class RememberingReader extends RecordReader {
  readonly #decoded = new WeakMap<Uint8Array, DecodedRecord>();
  readonly #signed = new WeakSet<DecodedRecord>();

  override decode(bytes: Uint8Array): DecodedRecord {
    const known = this.#decoded.get(bytes);
    if (known !== undefined) return known;
    const decoded = super.decode(bytes);
    this.#decoded.set(bytes, decoded);
    this.#decoded.set(decoded.bytes, decoded);
    return decoded;
  }

  override isSigned(decoded: DecodedRecord, signKey: string): boolean {
    if (this.#signed.has(decoded)) return true;
    const isSigned = super.isSigned(decoded, signKey);
    if (isSigned) this.#signed.add(decoded);
    return isSigned;
  }
}

/** A tree, so that all is connected, and then random links; delays as between sites of one to several continents. */
function makeLinks(terminals: number, linksEach: number, random: () => number): SimLink[] {
  const below = (n: number): number => Math.floor(random() * n);
  const pairs = new Map<string, [number, number]>();
  for (let b = 1; b < terminals; b++) {
    const a = below(b);
    pairs.set(`${a} ${b}`, [a, b]);
  }
  while (pairs.size < terminals * linksEach) {
    const [a, b] = [below(terminals), below(terminals)];
    if (a !== b) pairs.set(`${Math.min(a, b)} ${Math.max(a, b)}`, [Math.min(a, b), Math.max(a, b)]);
  }
  return [...pairs.values()].map(([a, b], index) => ({
    id: simId(3, index),
    a,
    b,
    operatorCost: 1 + below(10),
    delayMs: 2 + below(40),
    isUp: false,
  }));
}

export function simId(kind: number, index: number): string {
  return `${kind.toString(16).padStart(8, '0')}-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
}
