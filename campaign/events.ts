/**
 * What the publishers send: recorded events, by topic. A run takes some thousand of each topic from the input once and
 * puts them into its directory; the publishers read them from there and go round.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { type DemoEvent, readInput, topicsOf } from '../demo/input.ts';

export interface Event {
  subject: string;
  headers: Record<string, string>;
  payload: Buffer;
}

export const perTopic = 2_000;
/** the recorded market feeds of the machine that develops this, when they are there */
const marketFeed = new URL('../../shared/data/binance-spot-btcusdt-20240809.gz', import.meta.url).pathname;

export interface Input {
  name: string;
  events: DemoEvent[];
  topics: string[];
}

/** The named file, else the market feed when the machine has it, else the recordings that the demo uses. */
export async function readEvents(path: string | undefined): Promise<Input> {
  const feed = path ?? ((await isThere(marketFeed)) ? marketFeed : undefined);
  const events = await readInput(feed);
  return { name: feed?.split('/').at(-1) ?? 'earthquakes and flights', events, topics: topicsOf(events) };
}

async function isThere(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  );
}

/** A file per topic in `dir`, spread over the whole input. */
export async function storeEvents(dir: string, { events, topics }: Input): Promise<void> {
  for (const topic of topics) {
    const all = events.filter((event) => event.topic === topic);
    const every = Math.max(1, Math.floor(all.length / perTopic));
    const lines = all
      .filter((_, at) => at % every === 0)
      .map(({ subject, headers, payload }) =>
        JSON.stringify({ subject, headers, payload: payload.toString('base64') }),
      );
    await writeFile(eventsPath(dir, topic), lines.join('\n'));
  }
}

export async function loadEvents(dir: string, topic: string): Promise<Event[]> {
  const text = await readFile(eventsPath(dir, topic), 'utf8');
  return text.split('\n').map((line) => {
    const { payload, ...rest } = JSON.parse(line) as Omit<Event, 'payload'> & { payload: string };
    return { ...rest, payload: Buffer.from(payload, 'base64') };
  });
}

function eventsPath(dir: string, topic: string): string {
  return `${dir}/events.${topic}.jsonl`;
}
