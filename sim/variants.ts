/**
 * The protocol with one of its defences taken away, by the simulated world alone: the product's code is the same. Each
 * must be found out; a simulation that finds nothing wrong with them would prove nothing.
 */
import { decodeFrame, encodeFrame, RangeSet, type Receipt, readManifest, signReceipt } from '../src/envelope/index.ts';
import type { Packet } from './broker/stream.ts';
import { signerNamed } from './signature.ts';

export const variants = {
  none: 'the protocol as it is',
  'no-receipts': 'the origin acknowledges its capture stream when the next hop has stored an envelope',
  'no-marker': 'the destination neither reads nor expects a marker',
  'early-custody': 'nats-server answers before what it stored is on disk',
  'no-expectation': 'the destination reads markers, and writes them without expecting what it has read',
  'no-hold': 'batches are torn, and what they leave is not held from its consumers',
} as const;

export type Variant = keyof typeof variants;

export function isVariant(text: string): text is Variant {
  return Object.hasOwn(variants, text);
}

const stored = 0;

/** Without receipts: each stored frame is answered for by a receipt that its destination never signed. */
export class ForgedReceipts {
  /** envelopes on their way from their origin, by the subject they are answered on */
  readonly #frames = new Map<string, Uint8Array>();
  readonly #keyNameOf: (terminalId: string) => string | undefined;

  constructor(keyNameOf: (terminalId: string) => string | undefined) {
    this.#keyNameOf = keyNameOf;
  }

  /** What goes behind a packet on its link. */
  behind({ subject, reply, data }: Packet): Packet[] {
    if (subject.endsWith('.f') && reply !== '') this.#frames.set(reply, data);
    const frame = this.#frames.get(subject);
    if (frame === undefined) return [];
    this.#frames.delete(subject);
    if (data[0] !== stored) return [];
    const noteSubject = `${subject.slice(0, subject.lastIndexOf('.r.'))}.n`;
    return this.#receiptsFor(frame).map((note) => ({ subject: noteSubject, reply: '', headers: null, data: note }));
  }

  #receiptsFor(bytes: Uint8Array): Uint8Array[] {
    const frame = decodeFrame(bytes);
    if (frame.kind !== 'envelope') return [];
    const manifest = readManifest(frame.manifest, this.#keyNameOf);
    const { flow, first, last, customerId, snapshotVersion } = manifest;
    const destinations = [flow.originId];
    return manifest.assignments
      .filter(({ terminalId }) => frame.destinations.includes(terminalId) && frame.path.length === 1)
      .map(({ groupId, terminalId }) => {
        const received = RangeSet.of(0, [[first, last]]);
        const content = { customerId, flow, groupId, terminalId, first, last, snapshotVersion, received };
        const receipt: Receipt = { ...content, status: 'stored', reason: '' };
        const signed = signReceipt(receipt, signerNamed(this.#keyNameOf(terminalId) ?? ''));
        return encodeFrame({
          kind: 'receipt',
          hopLimit: 15,
          path: [terminalId],
          shun: [],
          destinations,
          receipt: signed,
        });
      });
  }
}
