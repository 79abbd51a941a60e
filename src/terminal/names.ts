/** Names of what a terminal knows by id, for logs, metrics and status; the id itself for what is not known any more. */
import type { SnapshotCustomer } from '../api/snapshot.ts';

export class Names {
  readonly #customer: () => SnapshotCustomer;

  constructor(customer: () => SnapshotCustomer) {
    this.#customer = customer;
  }

  /** As labels of a metric. */
  group(groupId: string): { topic: string; group: string } {
    for (const { name, groups } of this.#customer().topics) {
      const group = groups.find(({ id }) => id === groupId);
      if (group !== undefined) return { topic: name, group: group.name };
    }
    return { topic: '', group: groupId };
  }

  site(terminalId: string): string {
    return this.#customer().terminals.find(({ id }) => id === terminalId)?.site ?? terminalId;
  }
}
