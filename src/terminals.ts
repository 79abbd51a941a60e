/** The terminals of a site, one per customer: opened with the keys in the site's directory, stopped with their customer. */
import type { ControlClient } from './api/methods.ts';
import type { Snapshot, SnapshotCustomer } from './api/snapshot.ts';
import { systemClock } from './clock.ts';
import { deriveTerminalKeys } from './keys/index.ts';
import type { Logger } from './log.ts';
import type { SequenceStore } from './routing/index.ts';
import type { SiteDir, SiteServer } from './site/index.ts';
import { Terminal, type TerminalMetrics } from './terminal/index.ts';

export interface TerminalsOptions {
  dir: SiteDir;
  site: SiteServer;
  control: Pick<ControlClient, 'call'>;
  transitMaxBytes: number | undefined;
  onLinkState: () => void;
  metrics: TerminalMetrics;
  log: Logger;
}

export class Terminals {
  readonly #options: TerminalsOptions;
  readonly #byCustomer = new Map<string, Terminal>();

  constructor(options: TerminalsOptions) {
    this.#options = options;
  }

  get all(): Terminal[] {
    return [...this.#byCustomer.values()];
  }

  of(customerId: string): Terminal | undefined {
    return this.#byCustomer.get(customerId);
  }

  byId(terminalId: string): Terminal | undefined {
    return this.all.find(({ customer }) => customer.terminalId === terminalId);
  }

  /** The customer's terminal, started. E_SERVER_AWAY E_NATS E_SITE_DIR */
  async open(customer: SnapshotCustomer, snapshot: Snapshot): Promise<Terminal> {
    const known = this.#byCustomer.get(customer.id);
    if (known !== undefined) return known;
    const { dir, site, control, transitMaxBytes, onLinkState, metrics, log } = this.#options;
    const terminal = new Terminal(customer, snapshot, {
      site,
      control,
      keys: deriveTerminalKeys(await dir.securekey(customer.terminalId)),
      markerKey: await dir.markerKey(customer.terminalId),
      serviceKey: () => dir.file.control.signKey,
      sequence: await this.#sequenceOf(customer.terminalId),
      transitMaxBytes,
      onLinkState,
      metrics,
      clock: systemClock,
      log: log.child({ customer: customer.name }),
    });
    await terminal.start();
    this.#byCustomer.set(customer.id, terminal);
    return terminal;
  }

  async close(customerId: string): Promise<void> {
    const terminal = this.#byCustomer.get(customerId);
    this.#byCustomer.delete(customerId);
    await terminal?.stop();
  }

  /** Closes those that the configuration does not have any more. */
  async closeRemoved({ customers }: Snapshot): Promise<void> {
    for (const [customerId, { customer }] of this.#byCustomer) {
      const isSame = customers.some((each) => each.id === customerId && each.terminalId === customer.terminalId);
      if (!isSame) await this.close(customerId);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((terminal) => terminal.stop()));
  }

  /** A file that cannot be read or written costs a moment: neighbours tell what this terminal had come to. */
  async #sequenceOf(terminalId: string): Promise<SequenceStore> {
    const { dir, log } = this.#options;
    const name = `terminals/${terminalId}/routing.json`;
    const stored = await dir.readJson<{ nextSequence: number }>(name);
    const first = Number.isSafeInteger(stored?.nextSequence) ? Math.max(1, stored?.nextSequence ?? 1) : 1;
    const reserve = (nextSequence: number): void => {
      dir.writeJson(name, { nextSequence }).catch((error: unknown) => {
        log.warn({ event: 'routing.sequence', err: error }, 'the number of routing records was not stored');
      });
    };
    return { first, reserve };
  }
}
