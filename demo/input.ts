/**
 * What the demo publishes: recorded events, read once into memory and given a topic, a subject and headers.
 *
 * Without a file: USGS earthquakes and US flights from the vega-datasets package. With one: JSON lines, or market feed
 * lines (`<receive time in ns> <json>`), plain or gzip. A line that is no JSON object stops the demo with its number.
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { isName, printable } from '../src/config/names.ts';
import { BusError, errorText } from '../src/errors.ts';

export interface DemoEvent {
  topic: string;
  /** the topic, or the topic and one literal token */
  subject: string;
  headers: Record<string, string>;
  payload: Buffer;
}

const defaultTopic = 'events';
/** topics of one input; a demo bus with more would show nothing more */
const maxTopics = 12;
const newline = 10;

/** The events of a file, in its order; of the recorded data sets when no file is named. */
export async function readInput(path?: string): Promise<DemoEvent[]> {
  const events = path === undefined ? await readRecordings() : parseLines(await readPlain(path), path);
  if (events.length === 0) throw new BusError('E_CONFIG', `${path}: holds no event: name a file of JSON lines`);
  const topics = topicsOf(events);
  if (topics.length <= maxTopics) return events;
  throw new BusError('E_CONFIG', `${path}: ${topics.length} topics, at most ${maxTopics}: split the file`);
}

/** Topic names in the order of their first event. */
export function topicsOf(events: readonly DemoEvent[]): string[] {
  return [...new Set(events.map((event) => event.topic))];
}

/** Parses JSON lines and market feed lines; payloads are the JSON bytes as they stand in the file. */
export function parseLines(bytes: Buffer, fileName: string): DemoEvent[] {
  const events: DemoEvent[] = [];
  let line = 0;
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start);
    const end = found === -1 ? bytes.length : found;
    line += 1;
    const text = trimmed(bytes.subarray(start, end));
    if (text.length > 0) events.push(parseLine(text, `${fileName}:${line}`));
    start = end + 1;
  }
  return events;
}

/** `btcusdt@depth@100ms` → topic `depth`, token `btcusdt`: the last part before any interval such as `100ms`. */
export function splitStream(stream: string): { topic: string; token: string } {
  const parts = stream.split('@').filter((part) => part.length > 0);
  while (parts.length > 1 && /^\d+m?s$/.test(parts.at(-1) ?? '')) parts.pop();
  const topic = parts.at(-1) ?? defaultTopic;
  return { topic, token: parts.length > 1 ? (parts[0] ?? '') : '' };
}

function parseLine(line: Buffer, place: string): DemoEvent {
  const feed = /^(\d{10,20}) (?=\{)/.exec(line.subarray(0, 32).toString('latin1'));
  const payload = Buffer.from(feed ? line.subarray(feed[0].length) : line);
  const stream = streamOf(payload, place);
  const { topic, token } = splitStream(stream ?? defaultTopic);
  if (!isName(topic))
    throw new BusError('E_NAME', `${place}: topic ${printable(topic)} from "stream" is no topic name`);
  return {
    topic,
    subject: subjectOf(topic, token),
    headers: feed?.[1] ? { 'Recorded-At': feed[1] } : {},
    payload,
  };
}

function streamOf(payload: Buffer, place: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString());
  } catch (cause) {
    throw new BusError('E_CONFIG', `${place}: not a JSON line: ${errorText(cause)}`, { cause });
  }
  if (typeof value !== 'object' || value === null) throw new BusError('E_CONFIG', `${place}: not a JSON object`);
  return 'stream' in value && typeof value.stream === 'string' ? value.stream : undefined;
}

function subjectOf(topic: string, token: string): string {
  return /^[A-Za-z0-9_-]{1,32}$/.test(token) ? `${topic}.${token}` : topic;
}

async function readPlain(path: string): Promise<Buffer> {
  try {
    const bytes = await readFile(path);
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return isGzip ? await promisify(gunzip)(bytes) : bytes;
  } catch (cause) {
    throw new BusError('E_CONFIG', `input ${path}: ${errorText(cause)}: name a readable file`, { cause });
  }
}

/** A week of earthquakes between the flights, so that both topics are under way all the time. */
async function readRecordings(): Promise<DemoEvent[]> {
  const quakes = await readQuakes();
  const flights = await readFlights();
  const every = Math.floor(flights.length / quakes.length);
  return flights.flatMap((flight, index) => {
    const quake = index % every === 0 ? quakes[index / every] : undefined;
    return quake ? [flight, quake] : [flight];
  });
}

interface Quake {
  properties: { time: number; net: string };
}

async function readQuakes(): Promise<DemoEvent[]> {
  const { features } = (await readDataset('earthquakes.json')) as { features: Quake[] };
  return features.map((feature) => ({
    topic: 'quakes',
    subject: subjectOf('quakes', feature.properties.net),
    headers: { 'Recorded-At': new Date(feature.properties.time).toISOString() },
    payload: Buffer.from(JSON.stringify(feature)),
  }));
}

async function readFlights(): Promise<DemoEvent[]> {
  const flights = (await readDataset('flights-20k.json')) as { date: string; origin: string }[];
  return flights.map((flight) => ({
    topic: 'flights',
    subject: subjectOf('flights', flight.origin),
    headers: { 'Recorded-At': flight.date },
    payload: Buffer.from(JSON.stringify(flight)),
  }));
}

async function readDataset(name: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(`../node_modules/vega-datasets/data/${name}`, import.meta.url), 'utf8'));
}

function trimmed(line: Buffer): Buffer {
  return line.at(-1) === 13 ? line.subarray(0, -1) : line;
}
