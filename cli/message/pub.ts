/** `mbus pub`: publishes one message and waits until it is stored. */
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { exampleText } from '../control-verb.ts';
import { readBytes } from '../files.ts';
import { collect, type JsonOption, jsonOption, usage } from '../options.ts';
import { printResult } from '../output.ts';
import { type AppOptions, withApp, withAppOptions } from './client.ts';
import { checkSubject, createPublish, parseHeaders } from './publish.ts';

interface PubOptions extends AppOptions, JsonOption {
  file?: string;
  header?: string[];
}

export function register(program: Command): void {
  withAppOptions(program.command('pub <subject> [data]'))
    .description("publish one message and wait until it is on the site's disk")
    .option('--file <file>', 'the payload; without it and without data: stdin')
    .option('--header <key:value>', 'a header; may be repeated', collect)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      exampleText([
        'mbus pub trade.eu.1 \'{"price":100}\' --dir ./lab --app acme/exchange',
        'mbus pub trade --file order.bin --header Source:manual --server nats://127.0.0.1:4222 --creds exchange.creds',
      ]),
    )
    .action(pub);
}

async function pub(
  subject: string,
  data: string | undefined,
  { file, header = [], json, ...app }: PubOptions,
): Promise<void> {
  if (data !== undefined && file !== undefined) throw usage('give the payload once: as data or by --file');
  const message = {
    subject: checkSubject(subject),
    headers: await parseHeaders(header),
    payload: await payloadOf(data, file),
  };
  const ack = await withApp(app, async (nc) => (await createPublish(nc))(message));
  const result = { stream: ack.stream, seq: ack.seq, duplicate: ack.duplicate === true };
  printResult(json, result, () => `stored as ${ack.stream} ${ack.seq}${ack.duplicate ? ' (was there already)' : ''}`);
}

async function payloadOf(data: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (data !== undefined) return Buffer.from(data);
  return file === undefined ? buffer(process.stdin) : readBytes(file);
}
