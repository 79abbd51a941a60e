/**
 * What must hold, checked while a schedule runs and at its end: every captured message is stored once at each of its groups,
 * in order while one path stands, nothing leaves the capture stream before that, and markers only grow.
 */
import { decodeMarker, flowKey, type RangeSet } from '../src/envelope/index.ts';
import type { StoredMessage, Stream } from './broker/stream.ts';

export interface Violation {
  kind: 'lost' | 'duplicated' | 'order' | 'early' | 'marker' | 'stuck' | 'memory' | 'error';
  text: string;
  atMs: number;
}

export interface LedgerOptions {
  topics: readonly { name: string; groups: readonly string[] }[];
  macKeyOf: (site: string) => Uint8Array;
  nowMs: () => number;
  /** whether order is promised now */
  isOrdered: () => boolean;
  /** what leads to a loss or a double counts as much as they do; not where a variant is to lead to one */
  isStrict: boolean;
}

interface KnownMarker {
  floor: number;
  received: RangeSet;
}

const decoder = new TextDecoder();

export class Ledger {
  readonly violations: Violation[] = [];
  readonly #options: LedgerOptions;
  /** text to capture sequence, by topic */
  readonly #captured = new Map<string, Map<string, number>>();
  /** text to times stored, by group stream */
  readonly #stored = new Map<string, Map<string, number>>();
  readonly #lastSeq = new Map<string, number>();
  readonly #markers = new Map<string, KnownMarker>();
  #open = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    for (const { name, groups } of options.topics) {
      this.#captured.set(name, new Map());
      for (const group of groups) this.#stored.set(`${name}@${group}`, new Map());
    }
  }

  /** messages captured, by topic and all together */
  get captured(): number {
    return [...this.#captured.values()].reduce((sum, texts) => sum + texts.size, 0);
  }

  /** messages of a topic and group that are not stored anywhere yet */
  get open(): number {
    return this.#open;
  }

  onStored(site: string, stream: Stream, message: StoredMessage): void {
    const topic = this.#captured.get(stream.name);
    if (topic !== undefined) {
      // without a consumer nobody is owed anything
      if (stream.consumers.size === 0) return;
      topic.set(decoder.decode(message.data), message.seq);
      this.#open += this.#groupsOf(stream.name).length;
      return;
    }
    if (!this.#stored.has(stream.name)) return;
    if (!message.subject.startsWith('_mb.')) this.#count(site, stream, message);
    else if (this.#options.isStrict) this.#checkMarker(site, stream, message);
  }

  /** What was stored is not on disk after all. */
  onLost(site: string, stream: Stream, message: StoredMessage): void {
    const texts = this.#stored.get(stream.name);
    if (texts === undefined) return;
    if (message.subject.startsWith('_mb.')) {
      this.#markers.delete(`${site} ${stream.name} ${message.subject}`);
      return;
    }
    const text = decoder.decode(message.data);
    const times = texts.get(text) ?? 0;
    texts.set(text, times - 1);
    if (times === 1) this.#open += 1;
  }

  /** Nothing may leave the capture stream that a group does not have. */
  onRemoved(stream: Stream, message: StoredMessage): void {
    if (!this.#options.isStrict) return;
    const texts = this.#captured.get(stream.name);
    const text = texts === undefined ? '' : decoder.decode(message.data);
    if (texts?.has(text) !== true) return;
    for (const group of this.#groupsOf(stream.name)) {
      const times = this.#stored.get(`${stream.name}@${group}`)?.get(text) ?? 0;
      if (times === 0) this.note('early', `${text} left its capture stream and ${group} does not have it`);
    }
  }

  /** Everything must have arrived by now. */
  finish(): void {
    for (const [topic, texts] of this.#captured) {
      for (const group of this.#groupsOf(topic)) {
        const stored = this.#stored.get(`${topic}@${group}`);
        const lost = [...texts.keys()].filter((text) => (stored?.get(text) ?? 0) < 1);
        if (lost.length > 0) this.note('lost', `${group} never got ${lost.length}: ${lost.slice(0, 10).join(' ')}`);
      }
    }
  }

  note(kind: Violation['kind'], text: string): void {
    this.violations.push({ kind, text, atMs: this.#options.nowMs() });
  }

  #count(site: string, stream: Stream, message: StoredMessage): void {
    const text = decoder.decode(message.data);
    const texts = this.#stored.get(stream.name)!;
    const times = (texts.get(text) ?? 0) + 1;
    texts.set(text, times);
    if (times > 1) {
      this.note('duplicated', `${text} was stored ${times} times for ${stream.name}, now at ${site}`);
      return;
    }
    this.#open -= 1;
    const seq = this.#captured.get(stream.name.split('@')[0] ?? '')?.get(text) ?? 0;
    const key = `${site} ${stream.name}`;
    const last = this.#lastSeq.get(key) ?? 0;
    if (seq < last && this.#options.isOrdered()) this.note('order', `${text} came to ${key} behind sequence ${last}`);
    this.#lastSeq.set(key, Math.max(last, seq));
  }

  #checkMarker(site: string, stream: Stream, { data, subject }: StoredMessage): void {
    const { flow, floor, received } = decodeMarker(data, this.#options.macKeyOf(site), stream.name);
    const key = `${site} ${stream.name} ${subject}`;
    const known = this.#markers.get(key);
    this.#markers.set(key, { floor, received });
    if (known === undefined) return;
    if (floor < known.floor) this.note('marker', `the floor of ${flowKey(flow)} fell from ${known.floor} to ${floor}`);
    const isWhole = [[1, known.received.mark] as const, ...known.received.ranges].every(
      ([first, last]) => last === 0 || received.covers(first, last),
    );
    if (!isWhole) this.note('marker', `the marker of ${flowKey(flow)} forgot what it had`);
  }

  #groupsOf(topic: string): readonly string[] {
    return this.#options.topics.find(({ name }) => name === topic)?.groups ?? [];
  }
}
