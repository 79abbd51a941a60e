/**
 * Builds with one defence taken out, to show that it matters: the campaign must then find what the defence prevents. They
 * are made from a copy of the source by replacing a few lines, so the product has no switch for it; a line that is not
 * found any more is an error, and a unit test tries them all.
 */
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BusError } from '../src/errors.ts';

export interface Break {
  /** what is taken out, and what must then be found */
  what: string;
  file: string;
  /** each must stand in the file exactly once */
  edits: { from: string; to: string }[];
}

export const breaks: Record<string, Break> = {
  'marker-off': {
    what: 'the destination stores what it has already: duplicates',
    file: 'src/delivery/flow-writer.ts',
    edits: [
      { from: 'if (received.covers(arrival.first, arrival.last)) continue;', to: '' },
      { from: 'if (!received.has(message.seq)) batch.push(', to: 'batch.push(' },
    ],
  },
  'receipts-off': {
    what: 'the origin lets go of what the next hop has stored: losses with the transit cache',
    file: 'src/capture/cursor.ts',
    edits: [
      {
        from: 'if (unsent.length > 0 && generation === this.#generation) this.#pass(entry, unsent);',
        to: 'if (generation === this.#generation) this.#pass(entry, duties);',
      },
    ],
  },
  'receipt-before-storage': {
    what: 'the destination signs a receipt before its group stream holds the messages: losses with its server',
    file: 'src/delivery/arrivals.ts',
    edits: [
      {
        from: 'const received = await writers.of(flow).write(',
        to: 'const received = new RangeSet();\n    received.add(first, last);\n    writers.of(flow).write(',
      },
      {
        from: '{ first, last, floor, since, messages });\n',
        to: '{ first, last, floor, since, messages }).catch(() => undefined);\n',
      },
    ],
  },
};

const root = fileURLToPath(new URL('..', import.meta.url));
const copied = ['src', 'cli', 'console', 'campaign', 'attack', 'demo', 'migrations', 'nats-config', 'package.json'];

/** The text without the defence. E_INTERNAL when a line of it is not there. */
export function takeOut(text: string, { edits, file }: Break): string {
  return edits.reduce((before, { from, to }) => {
    if (before.split(from).length !== 2) throw new BusError('E_INTERNAL', `${file} has not exactly one: ${from}`);
    return before.replace(from, to);
  }, text);
}

/** Makes the build in `dir`; its campaign and its attacks are run from there. */
export async function buildBroken(dir: string, broken: Break): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const name of copied) await cp(join(root, name), join(dir, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(dir, 'node_modules'));
  const path = join(dir, broken.file);
  await writeFile(path, takeOut(await readFile(path, 'utf8'), broken));
}
