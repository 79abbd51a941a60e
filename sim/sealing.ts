/**
 * Stands in for src/sealing: an envelope is its id and the body in clear. Getting a ticket takes a moment now and then, and
 * a crash may come in between.
 */
import type { Clock } from '../src/clock.ts';
import { newId16 } from '../src/envelope/ids.ts';

interface Options {
  clock: Clock;
}

export interface Sealer {
  seal(topic: unknown, body: Uint8Array): Promise<{ envelopeId: Uint8Array; sealed: Buffer }>;
  stop(): void;
}

export interface Opener {
  open(sealed: Uint8Array): Promise<{ body: Buffer; createdMs: number; count: number; envelopeId: Uint8Array }>;
  stop(): void;
}

const slowShare = 0.1;
const slowMs = 40;
const idBytes = 16;

/** Who asks later is answered later: a ticket is asked for once, whoever waits for it. */
function asking({ clock }: Options): () => Promise<void> {
  let last = Promise.resolve();
  return () => {
    if (Math.random() < slowShare) last = last.then(() => clock.sleep(Math.random() * slowMs));
    return last;
  };
}

export function createSealer(options: Options): Sealer {
  const ask = asking(options);
  return {
    seal: async (_topic, body) => {
      await ask();
      const envelopeId = newId16();
      return { envelopeId, sealed: Buffer.concat([envelopeId, body]) };
    },
    stop: () => undefined,
  };
}

export function createOpener(options: Options): Opener {
  const ask = asking(options);
  return {
    open: async (sealed) => {
      await ask();
      const body = Buffer.from(sealed.subarray(idBytes));
      return { body, createdMs: 0, count: 0, envelopeId: sealed.subarray(0, idBytes) };
    },
    stop: () => undefined,
  };
}
