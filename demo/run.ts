/**
 * One run of the demo on a lab that is up: applications on, publish, cut virginia half way, restore, wait until every group
 * has everything, then a quiet time in which a doubled message would show.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { LabInfo } from '../src/lab/index.ts';
import { type AppAccess, type AppClient, connectApp, generations, type OutgoingMessage } from './clients.ts';
import { Eavesdropper } from './eavesdropper.ts';
import { type InsideTls, listenInside } from './inside-tls.ts';
import { Intruder } from './isolation.ts';
import { Ledger } from './ledger.ts';
import { cutVirginia } from './outage.ts';
import type { Progress } from './progress.ts';
import { publishAll } from './publisher.ts';
import type { DemoDocument } from './report.ts';
import { customerOf, customers, groupName, links, type PublisherPlan, type Scenario, sites } from './scenario.ts';

const publishWindow = 128;
/** publishing takes this long at least, so that the cut falls into it */
const publishMs = 8000;
const cutMs = 3000;
/** without any arrival for this long, what is missing counts as lost */
const patienceMs = 30_000;
const quietMs = 2000;
const pollMs = 50;
/** the site that every link ends at */
const hub = 'frankfurt';

export interface RunOptions {
  dir: string;
  lab: LabInfo;
  scenario: Scenario;
  progress: Progress;
  signal: AbortSignal;
}

export type RunFacts = Omit<DemoDocument, 'ok' | 'seconds'> & { problems: string[] };

export async function run(options: RunOptions): Promise<RunFacts> {
  const demo = new DemoRun(options);
  try {
    return await demo.run();
  } finally {
    await demo.close();
  }
}

class DemoRun {
  readonly #options: RunOptions;
  readonly #ledger = new Ledger();
  readonly #ear = new Eavesdropper();
  readonly #intruder: Intruder;
  readonly #clients: AppClient[] = [];
  readonly #problems: string[] = [];
  #inside: InsideTls | undefined;
  /** deliveries owed to all groups together */
  #owed = 0;
  #acked = 0;
  #inputAcked = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#intruder = new Intruder(intruderOptions(options));
  }

  async run(): Promise<RunFacts> {
    const { scenario, progress, signal } = this.#options;
    this.#openBooks();
    await this.#listenOnWires();
    await this.#startConsumers();
    await this.#intruder.listen();
    progress.say(`publishing ${this.#total.toLocaleString('en')} events of two customers`);
    const publishing = Promise.all(scenario.publishers.map((plan, index) => this.#publish(plan, index === 0)));
    await Promise.all([publishing, this.#cutHalfWay()]);
    await this.#untilComplete();
    progress.say('listening for doubles');
    await delay(quietMs, undefined, { signal });
    return {
      published: this.#inputAcked,
      groups: this.#ledger.tallies(),
      wire: this.#ear.heard,
      isolation: this.#intruder.result,
      problems: this.#problems,
    };
  }

  async close(): Promise<void> {
    this.#ear.close();
    await Promise.allSettled([
      this.#inside?.close(),
      this.#intruder.close(),
      ...this.#clients.map((client) => client.close()),
    ]);
  }

  get #total(): number {
    return this.#options.scenario.publishers.reduce((sum, { messages }) => sum + messages.length, 0);
  }

  /** The ledger knows every message before the first is sent: what is never sent shows as lost. */
  #openBooks(): void {
    const { consumers, publishers } = this.#options.scenario;
    for (const plan of consumers) this.#ledger.addGroup(groupName(plan), plan.topic);
    for (const { messages } of publishers) {
      for (const message of messages) this.#ledger.publish(message.id, message.topic, asPublished(message));
      this.#ear.learn(messages);
    }
    this.#owed = Object.values(this.#ledger.tallies()).reduce((sum, { expected }) => sum + expected, 0);
  }

  async #listenOnWires(): Promise<void> {
    const { dir, lab } = this.#options;
    for (const customer of customers) for (const [a, b] of links) await this.#ear.tap(dir, { customer, a, b });
    for (const control of sites) await this.#ear.tap(dir, { control });
    const nats = lab.sites[hub]?.nats ?? '';
    this.#inside = await listenInside(dir, hub, nats, (account, bytes) => this.#ear.hear(account, bytes));
  }

  /** Every group is consumed by both client generations at once. */
  async #startConsumers(): Promise<void> {
    const { consumers } = this.#options.scenario;
    for (const app of new Set(consumers.map((plan) => plan.app))) {
      for (const client of await this.#connect(app)) {
        const plans = consumers.filter((plan) => plan.app === app);
        await Promise.all(
          plans.map((plan) =>
            client.consume(plan.topic, plan.group, (message) => this.#ledger.arrive(groupName(plan), message)),
          ),
        );
      }
    }
  }

  async #publish({ app, messages }: PublisherPlan, isInput: boolean): Promise<void> {
    const { signal } = this.#options;
    const clients = await this.#connect(app);
    const onAck = (): void => {
      this.#acked += 1;
      if (isInput) this.#inputAcked += 1;
      this.#show('publishing');
    };
    await publishAll({ clients, messages, window: publishWindow, minMs: publishMs, signal, onAck });
  }

  async #cutHalfWay(): Promise<void> {
    const { dir, progress, signal } = this.#options;
    while (this.#acked < this.#total / 2) await delay(pollMs, undefined, { signal });
    await this.#inside?.close();
    this.#checkInside();
    progress.say('cutting the link frankfurt-virginia of both customers');
    const { leakedBytes, lastedMs } = await cutVirginia(dir, cutMs, () => this.#intruder.attack());
    progress.say(`link restored after ${(lastedMs / 1000).toFixed(1)} s; ${leakedBytes} bytes passed meanwhile`);
    if (leakedBytes !== 0) this.#problems.push(`${leakedBytes} bytes passed a link that was cut`);
  }

  /** An empty search proves something only when there was something to search. */
  #checkInside(): void {
    const { bytesAboveTls, heard } = this.#ear;
    const bytes = bytesAboveTls.toLocaleString('en');
    this.#options.progress.say(
      `inside TLS: ${bytes} bytes heard, plaintext found ${heard.plaintextFound} times so far`,
    );
    if (bytesAboveTls === 0) this.#problems.push('nothing was heard inside TLS, so that search proved nothing');
  }

  async #untilComplete(): Promise<void> {
    const { signal } = this.#options;
    let last = { count: this.#ledger.delivered(), atMs: performance.now() };
    while (!this.#ledger.isComplete()) {
      await delay(pollMs, undefined, { signal });
      const count = this.#ledger.delivered();
      this.#show('arriving');
      if (count !== last.count) last = { count, atMs: performance.now() };
      else if (performance.now() - last.atMs > patienceMs) {
        this.#problems.push(`no arrival for ${patienceMs / 1000} s, messages are missing`);
        return;
      }
    }
  }

  #show(what: string): void {
    const arrived = this.#ledger.delivered();
    this.#options.progress.show(arrived, this.#owed, `${what}, ${this.#acked.toLocaleString('en')} acknowledged`);
  }

  async #connect(app: string): Promise<AppClient[]> {
    const access = accessOf(this.#options.lab, app);
    const clients = await Promise.all(generations.map((generation) => connectApp(generation, access, app)));
    this.#clients.push(...clients);
    return clients;
  }
}

function asPublished({ subject, headers, payload }: OutgoingMessage) {
  const entries = Object.entries(headers).map(([key, value]): [string, string[]] => [key, [value]]);
  return { subject, headers: entries, payload };
}

function accessOf(lab: LabInfo, app: string): AppAccess {
  const access = lab.apps[app];
  if (!access) throw new RangeError(`the lab has no application ${app}`);
  return access;
}

/** Globex with one credential per site tries acme's; each credential also knocks at another site. */
function intruderOptions({ lab, scenario }: RunOptions) {
  const accesses = ['globex/shop', 'globex/billing', 'globex/warehouse'].map((app) => accessOf(lab, app));
  const acme = scenario.consumers.filter(({ app }) => customerOf(app) === 'acme');
  return {
    accesses,
    otherSites: accesses.map((_, index) => accesses[(index + 1) % accesses.length]!.nats),
    victimTopics: scenario.acmeTopics,
    victimGroups: [...new Set(acme.map(({ group }) => group))],
    victimPrefix: 'acme-',
  };
}
