/**
 * What the publishers send: recorded events, by topic. A run takes some thousand of each topic from the input once and
 * puts them into its directory; the publishers read them from there and go round.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DemoEvent, readInput, topicsOf } from '../demo/input.ts';

export interface Event {
  subject: string;
  headers: Record<string, string>;
  payload: Buffer;
}

const perTopic = 2_000;
/** of all lines, that make a topic: the snapshot at the head of a feed does not */
const leastShare = 1 / 1_000;
/** the recorded market feeds of the machine that develops this, when they are there */
const marketFeeds = ['binance-spot-btcusdt-20240809.gz', 'binance-usdm-btcusdt-20240808.gz'];
const feedDir = fileURLToPath(new URL('../../shared/data', import.meta.url));

export interface Input {
  name: string;
  events: DemoEvent[];
  topics: string[];
}

/** The market feeds that this machine has. */
export function presentFeeds(): string[] {
  return marketFeeds.map((name) => join(feedDir, name)).filter((path) => existsSync(path));
}

/** Of all these files together, topics with a few lines left out; of none, the recordings that the demo uses. */
export async function readEvents(paths: readonly string[]): Promise<Input> {
  const read = paths.length === 0 ? [await readInput()] : await Promise.all(paths.map((path) => readInput(path)));
  const all = read.flat();
  const counts = new Map<string, number>();
  for (const { topic } of all) counts.set(topic, (counts.get(topic) ?? 0) + 1);
  const events = all.filter(({ topic }) => (counts.get(topic) ?? 0) >= leastShare * all.length);
  const name = paths.map((path) => basename(path)).join(', ') || 'earthquakes and flights';
  return { name, events, topics: topicsOf(events) };
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
