/** `mbus trace`: which way one message took, terminal by terminal, and when; or a probe, published for it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ControlClient, ResponseOf, TraceHop } from '../../src/api/methods.ts';
import { BusError } from '../../src/errors.ts';
import { controlVerb, withControl } from '../control-verb.ts';
import { customerName } from '../full-names.ts';
import { type AppOptions, withApp } from '../message/client.ts';
import { createPublish } from '../message/publish.ts';
import { type JsonOption, usage, wholeNumber } from '../options.ts';
import { printResult, table } from '../output.ts';

interface TraceOptions extends AppOptions, JsonOption {
  from?: string;
  sequence?: number;
  probe?: boolean;
  waitMs: number;
}

/** What happened to the message at one site. */
interface TraceRow {
  site: string;
  kind: TraceHop['kind'];
  /** ISO time by the site's own clock */
  at: string | null;
  /** since the first time known, milliseconds; clocks of sites differ */
  afterMs: number | null;
  path: string[];
  /** site the copy was for */
  to: string | null;
  group: string | null;
}

type Answers = ResponseOf<'trace.get'>;

const pollMs = 250;

export function register(program: Command): void {
  controlVerb(program, 'trace <customer/topic>', 'show which way a message took, and when', [
    'mbus trace acme/trade --from tokyo --sequence 4711',
    'mbus trace acme/trade --probe --dir ./lab --app acme/exchange',
  ])
    .option('--from <site>', 'where it was published')
    .option('--sequence <n>', 'its sequence there, as mbus pub prints it', wholeNumber(1))
    .option('--probe', 'publish a small message on <topic>.trace instead; consumers receive it like any other')
    .option('--app <customer/app>', 'probe: which app to be')
    .option('--server <url>', "probe, without a lab: URL of the site's nats-server")
    .option('--creds <file>', "probe, without a lab: the app's .creds file")
    .option('--wait-ms <ms>', 'how long to wait for the end of its way', wholeNumber(0), 10_000)
    .action(trace);
}

async function trace(text: string, options: TraceOptions): Promise<void> {
  const { customer, name: topic } = customerName('topic', text);
  if ((options.probe === true) === (options.sequence !== undefined)) throw usage('give either --sequence or --probe');
  await withControl(options, async (control) => {
    const from = options.from ?? (await siteOfApp(control, options.app));
    const sequence = options.sequence ?? (await publishProbe(topic, options));
    const { traceId } = await control.call('trace.start', { customer, topic, from, sequence });
    const rows = rowsOf(await awaitEnd(control, traceId, options.waitMs));
    printResult(options.json, { customer, topic, from, sequence, hops: rows }, () => traceText(rows, sequence));
  });
}

async function siteOfApp(control: ControlClient, app: string | undefined): Promise<string> {
  if (app === undefined) throw usage('give --from, or --probe with --app');
  const { customer, name } = customerName('app', app);
  const { file } = await control.call('bus.export', {});
  const apps = file.customers.find((each) => each.name === customer)?.apps ?? [];
  const terminal = apps.find((each) => each.name === name)?.terminal;
  if (terminal === undefined) throw new BusError('E_UNKNOWN_NOUN', `there is no app ${app}`);
  return terminal;
}

async function publishProbe(topic: string, options: TraceOptions): Promise<number> {
  const message = { subject: `${topic}.trace`, payload: Buffer.from('trace') };
  const { seq } = await withApp(options, async (nc) => (await createPublish(nc))(message));
  return seq;
}

/** Until every group's receipt is back at the origin or nothing more is to come, or the time is over. */
async function awaitEnd(control: ControlClient, traceId: string, waitMs: number): Promise<Answers> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const answers = await control.call('trace.get', { traceId });
    if (isAtItsEnd(answers) || performance.now() > deadline) return answers;
    await delay(pollMs);
  }
}

/** Every terminal a receipt names has delivered; a message for groups at its own site alone has no receipts. */
function isAtItsEnd({ sites }: Answers): boolean {
  const hops = sites.flatMap((site) => site.hops);
  const receipted = hops.filter(({ kind }) => kind === 'receipted').map(({ destinationId }) => destinationId);
  const delivered = new Set(hops.filter(({ kind }) => kind === 'delivered').map(({ destinationId }) => destinationId));
  return receipted.length > 0 && receipted.every((id) => delivered.has(id));
}

function rowsOf({ sites, names }: Answers): TraceRow[] {
  const siteOf = (id: string): string => (names[id] ?? id).replace(/^.*@/, '');
  const groupOf = (id: string): string => (names[id] ?? id).replace(/^[^/]*\//, '');
  const all = sites.flatMap(({ site, hops }) => hops.map((hop) => ({ site, ...hop })));
  const firstMs = Math.min(...all.flatMap(({ atMs }) => (atMs === null ? [] : [atMs])));
  return all.sort(inOrder).map(({ site, kind, atMs, path, destinationId, groupId }) => ({
    site,
    kind,
    at: atMs === null ? null : new Date(atMs).toISOString(),
    afterMs: atMs === null ? null : Math.round(atMs - firstMs),
    path: path.map(siteOf),
    to: destinationId === null ? null : siteOf(destinationId),
    group: groupId === null ? null : groupOf(groupId),
  }));
}

const order: readonly TraceHop['kind'][] = ['captured', 'transit', 'delivered', 'receipted'];

/** As a message travels: by length of the way it had come, since sites' clocks differ; receipts come last. */
function inOrder(a: TraceHop, b: TraceHop): number {
  const rank = (hop: TraceHop): number => (hop.kind === 'receipted' ? 1_000 : hop.path.length);
  return rank(a) - rank(b) || order.indexOf(a.kind) - order.indexOf(b.kind) || (a.atMs ?? 0) - (b.atMs ?? 0);
}

function traceText(rows: readonly TraceRow[], sequence: number): string {
  if (rows.length === 0) return `nobody remembers sequence ${sequence}: it is too long ago, or was never published`;
  const lines = rows.map((row) => [
    row.site,
    row.kind,
    row.afterMs === null ? '-' : `+${row.afterMs} ms`,
    row.at ?? '-',
    row.path.join(' -> ') || '-',
    row.to ?? '-',
    row.group ?? '-',
  ]);
  return table([['AT', 'WHAT', 'AFTER', 'TIME', 'CAME BY', 'FOR', 'GROUP'], ...lines]);
}
