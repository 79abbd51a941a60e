/**
 * The declared bus while the campaign changes it: a topic, a group or a link that comes or goes, applied as an operator
 * would. An apply that fails, as without a control plane, is tried again with the next one and at the end.
 */
import { stringify } from 'yaml';
import { type BusFile, type CustomerSpec, customerSchema } from '../src/config/bus-file.ts';
import { labApply } from '../src/lab/index.ts';
import type { Step, Target } from './plan.ts';

const settleAttempts = 5;

type Change = Extract<Target, { kind: 'change' }>;

export class Configuration {
  readonly #lab: string;
  readonly #base: BusFile;
  readonly #changes = new Map<number, Change>();
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

  #apply(): Promise<void> {
    const next = this.#applying.then(async () => {
      this.#isApplied = false;
      const file = changed(this.#base, [...this.#changes.values()]);
      await labApply(this.#lab, stringify(file), 'campaign.yaml', { force: true });
      this.#isApplied = true;
      this.applies += 1;
    });
    this.#applying = next.catch(() => undefined);
    return next;
  }
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
  const group = { name: 'late', terminals: [first] };
  const topics =
    what === 'topic'
      ? [...customer.topics, { name: 'extra', groups: [group] }]
      : customer.topics.map((topic, at) => (at === 0 ? { ...topic, groups: [...topic.groups, group] } : topic));
  return customerSchema.parse({ ...customer, topics });
}
