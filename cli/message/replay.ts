/** `mbus replay`: publishes a recorded file line by line, each acknowledged, with a bounded number under way. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Command } from 'commander';
import { exampleText } from '../control-verb.ts';
import { type JsonOption, jsonOption, wholeNumber } from '../options.ts';
import { printResult } from '../output.ts';
import { type AppOptions, withApp, withAppOptions } from './client.ts';
import { openFeed, parseFeedLine } from './feed.ts';
import { createProgress } from './progress.ts';
import { checkSubject, createPublish, parseHeaders } from './publish.ts';
import { Window } from './window.ts';

interface ReplayOptions extends AppOptions, JsonOption {
  rate?: number;
  topic?: string;
  defaultTopic: string;
  window: number;
  fromLine: number;
  count?: number;
}

export function register(program: Command): void {
  withAppOptions(program.command('replay <file>'))
    .description('publish a file of recorded events (JSON lines or market feed lines, .gz or not)')
    .option('--rate <n>', 'events a second (default: as fast as they are stored)', wholeNumber(1))
    .option('--topic <subject>', 'topic of every line (default: last part of its "stream" field)', checkSubject)
    .option('--default-topic <subject>', 'topic of lines without that field', checkSubject, 'events')
    .option('--window <n>', 'events under way at once', wholeNumber(1), 512)
    .option('--from-line <n>', 'begin at this line', wholeNumber(1), 1)
    .option('--count <n>', 'end after this many events', wholeNumber(1))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText([
        'mbus replay recording.jsonl --topic trade --rate 100 --dir ./lab --app acme/exchange',
        'mbus replay btcusdt.gz --dir ./lab --app acme/exchange',
      ]),
    )
    .action(replay);
}

export interface ReplayResult {
  published: number;
  bytes: number;
  seconds: number;
  /** topic → events */
  topics: Record<string, number>;
}

async function replay(file: string, { json, ...options }: ReplayOptions): Promise<void> {
  const result = await withApp(options, (nc) => publishAll(nc, file, options));
  const rate = Math.round(result.published / Math.max(result.seconds, 0.001));
  printResult(json, result, () => `published ${result.published} events, ${result.bytes} bytes, ${rate}/s`);
}

async function publishAll(
  nc: NatsConnection,
  file: string,
  options: Omit<ReplayOptions, 'json'>,
): Promise<ReplayResult> {
  const publish = await createPublish(nc);
  const feed = await openFeed(file);
  const progress = createProgress();
  const pace = createPace(options.rate);
  const window = new Window(options.window);
  const result: ReplayResult = { published: 0, bytes: 0, seconds: 0, topics: {} };
  let taken = 0;

  for await (const line of feed.lines) {
    if (line.line < options.fromLine) continue;
    const event = parseFeedLine(line, file, options);
    if (event === null) continue;
    await pace(taken);
    const headers = await parseHeaders(event.recordedAt === null ? [] : [`Recorded-At:${event.recordedAt}`]);
    await window.run(`${file}:${line.line}`, async () => {
      await publish({ ...event, headers });
      count(result, event.subject, event.payload.length);
      progress.show(feed.progress(), result.published);
    });
    taken += 1;
    if (window.failure !== undefined || taken === options.count) break;
  }
  await window.idle();
  progress.end(result.published);
  if (window.failure !== undefined) throw window.failure;
  return { ...result, seconds: progress.seconds() };
}

function count(result: ReplayResult, subject: string, bytes: number): void {
  const topic = subject.split('.', 1)[0] ?? subject;
  result.published += 1;
  result.bytes += bytes;
  result.topics[topic] = (result.topics[topic] ?? 0) + 1;
}

/** Waits until the event with this index is due, by the clock, so that pauses are made up for. */
function createPace(rate: number | undefined): (index: number) => Promise<void> {
  const start = performance.now();
  return async (index) => {
    if (rate === undefined) return;
    const waitMs = start + (index * 1000) / rate - performance.now();
    if (waitMs >= 1) await delay(waitMs);
  };
}
