/**
 * Tells an origin that transit gave up an envelope of its, over the links and hop by hop like a receipt, but kept by nobody:
 * when the note is lost the origin waits for the receipt instead.
 */
import { encodeFrame, type SignFn, signRelease } from '../envelope/index.ts';
import type { CacheIndex } from './cache.ts';
import type { TransitRoutes } from './forwarder.ts';

export interface ReleaseNotesOptions {
  customerId: string;
  terminalId: string;
  sign: SignFn;
  /** what is written now, see envelope/formats.ts */
  format: () => number;
  routes: TransitRoutes;
  /** gives a frame to a link; lost when the link is down */
  note: (linkId: string, frame: Uint8Array) => void;
}

/** A note on its way: its bytes and the terminals it came over. */
export interface NoteFrame {
  control: Uint8Array;
  path: readonly string[];
  hopLimit: number;
}

const hopLimit = 16;

export class ReleaseNotes {
  readonly #options: ReleaseNotesOptions;

  constructor(options: ReleaseNotesOptions) {
    this.#options = options;
  }

  /** This terminal gave up an envelope for a destination. */
  tell({ originId, topicId, incarnation, first, last }: CacheIndex, destinationId: string): void {
    const { customerId, terminalId, sign, format } = this.#options;
    const flow = { originId, topicId, incarnation };
    const control = signRelease({ customerId, flow, terminalId, destinationId, first, last }, sign, format());
    this.pass(originId, { control, path: [], hopLimit });
  }

  /** Sends a note on towards its origin. */
  pass(originId: string, { control, path, hopLimit }: NoteFrame): void {
    const { routes, note, terminalId, format } = this.#options;
    const hop = routes.nextHop(originId, path);
    if (hop === null || hopLimit < 1) return;
    const head = { hopLimit: hopLimit - 1, path: [...path, terminalId], shun: [], destinations: [originId] };
    note(hop.linkId, encodeFrame({ kind: 'control', ...head, control }, format()));
  }
}
