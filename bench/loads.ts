/**
 * What is sent: random bytes that nothing can compress and no two messages share, or a recorded market feed.
 */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readInput } from '../demo/input.ts';
import type { Load } from './measure.ts';

const feedDir = fileURLToPath(new URL('../../shared/data', import.meta.url));

/** Messages of one size, other ones each time. */
export function randomLoad(bytes: number, count: number): Load {
  return {
    count,
    payloads: function* () {
      for (let number = 0; number < count; number++) yield randomBytes(bytes);
    },
  };
}

export interface Feed {
  name: string;
  load(count: number): Load;
}

/** The recorded feed of a file, of the one beside the repository where there is one, else the recordings of the demo. */
export async function readFeed(path?: string): Promise<Feed> {
  const file = path ?? (await largestFeed());
  const events = (await readInput(file)).map(({ payload }) => payload);
  const name = file === undefined ? "the demo's recordings" : (file.split('/').at(-1) ?? file);
  return { name, load: (count) => ({ count, payloads: () => repeated(events, count) }) };
}

/** The feed over and over, as often as it takes. */
function* repeated(events: readonly Buffer[], count: number): Generator<Buffer> {
  for (let number = 0; number < count; number++) {
    const event = events[number % events.length];
    if (event !== undefined) yield event;
  }
}

async function largestFeed(): Promise<string | undefined> {
  const names = await readdir(feedDir).catch(() => []);
  const name = names.filter((each) => each.endsWith('.gz')).at(-1);
  return name === undefined ? undefined : `${feedDir}/${name}`;
}
