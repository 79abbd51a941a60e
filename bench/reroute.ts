/**
 * How long traffic stands still when a link on its way is cut: the mesh of four, under load, three links one after the other,
 * each time until envelopes arrive over the next best path. Every cut is measured once and counts.
 *
 *   node bench/reroute.ts [--runs 3] [--rate 300] [--json]
 *
 *   a ──1── d ──1── c ──1── b     a b 100 · a c 50 · b d 20; published at a, consumed at b
 *
 * closed: both ends are told · silent: connections stay open and carry nothing. The table goes to stdout, talk to stderr.
 * Exit code 1 when a cut took longer than promised (closed 1 s, silent 3 s), or a message was lost or doubled.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { runProgram, say, wholeNumber } from '../demo/program.ts';
import { columns } from '../demo/report.ts';
import { BusError, errorText } from '../src/errors.ts';
import { type LabInfo, labCut, labDown, labRestore, labSilence, labUp } from '../src/lab/index.ts';
import { meshOfFour, meshSteps } from '../test/support/topologies.ts';

const customer = 'acme';
const bestPath = 'a>d>c>b';
const faults = [
  { name: 'closed', spoil: labCut, withinMs: 1_000 },
  { name: 'silent', spoil: labSilence, withinMs: 3_000 },
] as const;
const patienceMs = 30_000;
const pollMs = 5;

interface Cut {
  run: number;
  fault: string;
  link: string;
  path: string;
  /** from the order to cut to the first envelope over the new path, milliseconds */
  rerouteMs: number;
  /** longest time without a delivery to the consumer around it, milliseconds */
  gapMs: number;
  withinMs: number;
}

interface Result {
  cuts: Cut[];
  published: number;
  lost: number;
  doubled: number;
}

async function main(values: { runs: string; rate: string; json: boolean }): Promise<number> {
  const [runs, rate] = [wholeNumber('runs', values.runs, 1), wholeNumber('rate', values.rate, 1)];
  const parent = await mkdtemp(join(tmpdir(), 'mbus-reroute-'));
  const dir = join(parent, 'lab');
  try {
    const lab = await labUp({ text: meshOfFour, fileName: 'reroute', dir, progress: say });
    const result = await measureAll(lab, dir, { runs, rate });
    const isLate = result.cuts.some(({ rerouteMs, withinMs }) => rerouteMs > withinMs);
    const ok = !isLate && result.lost === 0 && result.doubled === 0;
    process.stdout.write(values.json ? `${JSON.stringify({ ok, ...result })}\n` : render(result));
    return ok ? 0 : 1;
  } finally {
    await labDown(dir, { keep: false }).catch((error: unknown) => say(errorText(error)));
    await rm(parent, { recursive: true, force: true });
  }
}

async function measureAll(lab: LabInfo, dir: string, { runs, rate }: { runs: number; rate: number }): Promise<Result> {
  const [source, sink] = [await connectApp(lab, 'exchange'), await connectApp(lab, 'risk-engine')];
  const traffic = new Traffic(source, sink, rate);
  const cuts: Cut[] = [];
  try {
    for (let run = 1; run <= runs; run++) {
      for (const fault of faults) cuts.push(...(await measureRun(lab, dir, traffic, run, fault)));
    }
    return { cuts, ...(await traffic.stop()) };
  } finally {
    traffic.end();
    await Promise.allSettled([source.close(), sink.close()]);
  }
}

async function measureRun(
  lab: LabInfo,
  dir: string,
  traffic: Traffic,
  run: number,
  { name, spoil, withinMs }: (typeof faults)[number],
): Promise<Cut[]> {
  const cuts: Cut[] = [];
  await untilOnly(lab, bestPath);
  for (const { link, path } of meshSteps) {
    const [a, b] = link;
    const before = await envelopesOver(lab, path);
    traffic.watchGaps();
    const startMs = performance.now();
    await spoil(dir, { customer, a, b });
    await untilMore(lab, path, before);
    const rerouteMs = Math.round(performance.now() - startMs);
    await delay(300);
    const cut = { run, fault: name, link: `${a}-${b}`, path: path.replaceAll('>', '-'), rerouteMs, withinMs };
    cuts.push({ ...cut, gapMs: Math.round(traffic.maxGapMs) });
    say(`run ${run}: ${cut.link} ${name}: ${cut.path} after ${rerouteMs} ms`);
  }
  for (const { link } of meshSteps) await labRestore(dir, { customer, a: link[0], b: link[1] });
  return cuts;
}

/** A steady stream of numbered messages, and what of it arrived. */
class Traffic {
  readonly #acked = new Set<string>();
  readonly #places = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly #publishing: Promise<void>;
  #lastMs = performance.now();
  #maxGapMs = 0;
  #doubled = 0;

  constructor(source: NatsConnection, sink: NatsConnection, rate: number) {
    this.#publishing = this.#publish(source, rate);
    this.#consume(sink).catch((error: unknown) => say(`the consumer ended: ${errorText(error)}`));
  }

  get maxGapMs(): number {
    return Math.max(this.#maxGapMs, performance.now() - this.#lastMs);
  }

  watchGaps(): void {
    this.#maxGapMs = 0;
  }

  /** Publishes no more. */
  end(): void {
    this.#stopping.abort();
  }

  /** Waits for what is still to come. */
  async stop(): Promise<Pick<Result, 'published' | 'lost' | 'doubled'>> {
    this.end();
    await this.#publishing;
    const missing = (): number => [...this.#acked].filter((id) => !this.#places.has(id)).length;
    this.#lastMs = performance.now();
    while (missing() > 0 && performance.now() - this.#lastMs < patienceMs) await delay(100);
    return { published: this.#acked.size, lost: missing(), doubled: this.#doubled };
  }

  async #publish(source: NatsConnection, rate: number): Promise<void> {
    const js = jetstream(source);
    const startMs = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let n = 0; !this.#stopping.signal.aborted; n++) {
      const aheadMs = startMs + (n * 1000) / rate - performance.now();
      if (aheadMs > 0) await delay(aheadMs);
      const id = `${n}`;
      const one: Promise<void> = js
        .publish('trade.x', id)
        .then(() => void this.#acked.add(id))
        .catch((error: unknown) => say(`${id} was not confirmed: ${errorText(error)}`))
        .finally(() => underWay.delete(one));
      underWay.add(one);
    }
    await Promise.all(underWay);
  }

  /** Ends with its connection. A message delivered again lies where it lay. */
  async #consume(sink: NatsConnection): Promise<void> {
    const consumer = await jetstream(sink).consumers.get('trade@risk', 'risk');
    for await (const message of await consumer.consume({ max_messages: 500 })) {
      const id = message.string();
      if ((this.#places.get(id) ?? message.seq) !== message.seq) this.#doubled += 1;
      this.#places.set(id, message.seq);
      this.#maxGapMs = this.maxGapMs;
      this.#lastMs = performance.now();
      message.ack();
    }
  }
}

async function untilMore(lab: LabInfo, path: string, before: number): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while ((await envelopesOver(lab, path)) <= before) {
    if (performance.now() > deadlineMs) throw new BusError('E_TIMEOUT', `bench: nothing came over ${path}`);
    await delay(pollMs);
  }
}

/** Resolves once envelopes come over this path and, for half a second, over no other. */
async function untilOnly(lab: LabInfo, path: string): Promise<void> {
  const deadlineMs = performance.now() + 2 * patienceMs;
  for (;;) {
    const [on, all] = [await envelopesOver(lab, path), await envelopesOver(lab)];
    await delay(500);
    const [nextOn, nextAll] = [await envelopesOver(lab, path), await envelopesOver(lab)];
    if (nextOn > on && nextAll - all === nextOn - on) return;
    if (performance.now() > deadlineMs) throw new BusError('E_TIMEOUT', `bench: traffic does not settle on ${path}`);
  }
}

/** Envelopes that reached b, by the path they came. */
async function envelopesOver(lab: LabInfo, path?: string): Promise<number> {
  const page = await (await fetch(lab.sites.b?.metrics ?? '')).text();
  const lines = page.split('\n').filter((line) => line.startsWith('mbus_path_envelopes_total'));
  const wanted = path === undefined ? lines : lines.filter((line) => line.includes(`path="${path}"`));
  return wanted.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

async function connectApp(lab: LabInfo, app: string): Promise<NatsConnection> {
  const access = lab.apps[`${customer}/${app}`];
  if (!access) throw new BusError('E_INTERNAL', `the lab has no application ${app}`);
  const authenticator = credsAuthenticator(await readFile(access.creds));
  return connect({ servers: access.nats, authenticator, maxReconnectAttempts: -1, name: app });
}

function render({ cuts, published, lost, doubled }: Result): string {
  const head = ['link cut', 'how', 'then', 'worst ms', 'promised', 'all runs ms', 'worst gap ms'];
  const groups = Map.groupBy(cuts, ({ fault, link }) => `${fault} ${link}`);
  const rows = [...groups.values()].map((same) => {
    const [first] = same as [Cut, ...Cut[]];
    const worst = Math.max(...same.map(({ rerouteMs }) => rerouteMs));
    const gap = Math.max(...same.map(({ gapMs }) => gapMs));
    const all = same.map(({ rerouteMs }) => rerouteMs).join(' ');
    return [first.link, first.fault, first.path, `${worst}`, `${first.withinMs}`, all, `${gap}`];
  });
  return `${columns([head, ...rows]).join('\n')}\n\n${published} messages published, ${lost} lost, ${doubled} doubled\n`;
}

await runProgram({
  name: 'bench',
  usage: 'Usage: npm run bench:reroute [-- --runs 3] [--rate 300] [--json]\n',
  options: {
    runs: { type: 'string', default: '3' },
    rate: { type: 'string', default: '300' },
    json: { type: 'boolean', default: false },
  },
  run: main,
});
