/**
 * The declared bus while the campaign changes it: a topic, a group or a link that comes and goes, and groups that come and
 * stay, applied as an operator would. An apply that fails is tried again with the next one and at the end.
 */
import { stringify } from 'yaml';
import { type BusFile, type CustomerSpec, customerSchema } from '../src/config/bus-file.ts';
import { labApply } from '../src/lab/index.ts';
import { insist } from './operator.ts';
import type { Step, Target } from './plan.ts';
import { ackWaitMs, type ConsumerJob } from './topology.ts';

const settleAttempts = 5;

type Change = Extract<Target, { kind: 'change' }>;
type TopicTarget = Extract<Target, { kind: 'topic' }>;

const lateGroup = 'late';

export class Configuration {
  readonly #lab: string;
  readonly #base: BusFile;
  readonly #changes = new Map<number, Change>();
  readonly #grown: TopicTarget[] = [];
  #applying: Promise<unknown> = Promise.resolve();
  #isApplied = true;
  applies = 0;

  constructor(lab: string, base: BusFile) {
    this.#lab = lab;
    this.#base = base;
  }

  /** Throws when it could not be applied now. */
  async change({ id, target }: Step): Promise<void> {
    if (target.kind !== 'change') throw new TypeError(`a ${target.kind} is no change`);
    this.#changes.set(id, target);
    await this.#apply();
  }

  /**
   * Adds a group to a topic for good, with a consumer at each of its terminals; returns them and the version from which on
   * a site keeps messages for it. Throws when it could not be applied now.
   */
  async grow(topic: TopicTarget): Promise<{ version: number; consumers: ConsumerJob[] }> {
    this.#grown.push(topic);
    try {
      const version = await this.#apply();
      const group = `${topic.topic}@${lateGroup}`;
      const consumers = lateTerminals(this.#customer(topic.customer)).map((site) => ({
        customer: topic.customer,
        site,
        group,
        app: `${topic.customer}/${site}-out`,
        count: 1,
      }));
      return { version, consumers };
    } catch (error) {
      this.#grown.splice(this.#grown.indexOf(topic), 1);
      throw error;
    }
  }

  async undo({ id }: Step): Promise<void> {
    this.#changes.delete(id);
    await this.#apply();
  }

  /** Back to what was declared first. */
  async settle(): Promise<void> {
    this.#changes.clear();
    for (let attempt = 1; ; attempt++) {
      try {
        if (this.#isApplied && this.applies === 0) return;
        await this.#apply();
        return;
      } catch (error) {
        if (attempt === settleAttempts) throw error;
      }
    }
  }

  #customer(name: string): CustomerSpec {
    return this.#base.customers.find((customer) => customer.name === name)!;
  }

  #apply(): Promise<number> {
    const next = this.#applying.then(async () => {
      this.#isApplied = false;
      const file = changed(grown(this.#base, this.#grown), [...this.#changes.values()]);
      const text = stringify(file);
      // the passing topic and group go with what was put into them
      const { version } = await insist(() => labApply(this.#lab, text, 'campaign.yaml', { force: true }));
      this.#isApplied = true;
      this.applies += 1;
      return version;
    });
    this.#applying = next.catch(() => undefined);
    return next;
  }
}

function lateTerminals({ terminals }: CustomerSpec): string[] {
  return [...new Set([terminals[0]!, terminals[terminals.length - 1]!])];
}

function grown(base: BusFile, topics: readonly TopicTarget[]): BusFile {
  const customers = base.customers.map((customer) =>
    topics.filter((topic) => topic.customer === customer.name).reduce(growOne, customer),
  );
  return { ...base, customers };
}

function growOne(customer: CustomerSpec, { topic: name }: TopicTarget): CustomerSpec {
  const terminals = lateTerminals(customer);
  const group = { name: lateGroup, terminals, policy: 'spread', ackWaitMs, failoverAfterMs: 3_000 };
  return customerSchema.parse({
    ...customer,
    topics: customer.topics.map((topic) =>
      topic.name === name ? { ...topic, groups: [...topic.groups, group] } : topic,
    ),
    apps: customer.apps.map((app) =>
      terminals.some((site) => app.name === `${site}-out`)
        ? { ...app, consume: [...app.consume, `${name}@${lateGroup}`] }
        : app,
    ),
  });
}

function changed(base: BusFile, changes: readonly Change[]): BusFile {
  const customers = base.customers.map((customer) =>
    changes.filter((change) => change.customer === customer.name).reduce(changeOne, customer),
  );
  return { ...base, customers };
}

function changeOne(customer: CustomerSpec, { name }: Change): CustomerSpec {
  const [what, a, b] = name.split(' ');
  const first = customer.terminals[0]!;
  if (what === 'link') {
    const links = customer.links.filter(({ between }) => !(between.includes(a ?? '') && between.includes(b ?? '')));
    return { ...customer, links };
  }
  const group = { name: 'passing', terminals: [first] };
  const topics =
    what === 'topic'
      ? [...customer.topics, { name: 'extra', groups: [group] }]
      : customer.topics.map((topic, at) => (at === 0 ? { ...topic, groups: [...topic.groups, group] } : topic));
  return customerSchema.parse({ ...customer, topics });
}
