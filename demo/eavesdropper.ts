/**
 * Listens on every wire between the sites, and to the control plane, and searches the raw bytes for what the customers
 * publish: three fragments of every payload, every subject, field names and the header that names a message.
 *
 * Links are TLS, so an empty search there proves little about the envelopes inside: `hear` takes what was heard above TLS.
 */
import { type LinkRef, labTap } from '../src/lab/index.ts';
import type { OutgoingMessage } from './clients.ts';
import { FragmentScanner } from './fragments.ts';
import { eventIdHeader } from './ledger.ts';

const fieldNamePattern = /"[A-Za-z_][A-Za-z0-9_]{5,40}":/g;
/** messages whose field names are collected, per publisher */
const sampleSize = 200;

export class Eavesdropper {
  readonly #scanner = new FragmentScanner();
  readonly #taps: { close(): void }[] = [];
  #bytes = 0;
  #bytesAboveTls = 0;
  #found = 0;

  /** Learns what must not be seen. */
  learn(messages: readonly OutgoingMessage[]): void {
    for (const { payload } of messages) this.#scanner.addPayload(payload);
    const words = new Set(messages.map(({ subject }) => subject));
    for (const { payload } of messages.slice(0, sampleSize)) {
      for (const [word] of payload.toString().matchAll(fieldNamePattern)) words.add(word);
    }
    for (const word of [...words, eventIdHeader]) this.#scanner.addWord(word);
  }

  /** Taps a link of the lab, both ways. */
  async tap(dir: string, link: LinkRef): Promise<void> {
    const name = JSON.stringify(link);
    const tap = await labTap(dir, link, (direction, bytes) => {
      this.#bytes += bytes.length;
      this.#found += this.#scanner.push(`${name} ${direction}`, bytes);
    });
    this.#taps.push(tap);
  }

  /** Searches bytes that were heard above TLS, on a link's own subjects. */
  hear(source: string, bytes: Uint8Array): void {
    this.#bytesAboveTls += bytes.length;
    this.#found += this.#scanner.push(`above ${source}`, Buffer.from(bytes));
  }

  get bytesAboveTls(): number {
    return this.#bytesAboveTls;
  }

  get heard(): { bytes: number; plaintextFound: number } {
    return { bytes: this.#bytes, plaintextFound: this.#found };
  }

  close(): void {
    for (const tap of this.#taps) tap.close();
  }
}
