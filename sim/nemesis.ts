/** Does to the bus what the plan says, and heals it. */
import type { Leaf } from './leaf.ts';
import type { Fault } from './plan.ts';
import type { Random } from './random.ts';
import { labelOf, type Process, type Scheduler } from './scheduler.ts';
import type { Site } from './site.ts';

export interface NemesisOptions {
  scheduler: Scheduler;
  random: Random;
  sites: ReadonlyMap<string, Site>;
  /** by the names of their ends */
  leafs: ReadonlyMap<string, Leaf>;
  /** a killed server has not everything on disk that it has answered for */
  isDiskLate: boolean;
  onLine: (text: string) => void;
}

const faultLabel = labelOf('fault');
const healLabel = labelOf('heal');
const slowMs = 1_500;

export class Nemesis {
  /** faults that have struck */
  struck = 0;
  readonly #options: NemesisOptions;
  /** faults that have not struck, or are not over */
  #open = 0;
  /** what more than one fault keeps down comes back with the last */
  readonly #down = new Map<string, number>();

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#open === 0;
  }

  plan(fault: Fault): void {
    this.#open += 1;
    this.#options.scheduler.at(fault.atMs, null, faultLabel, () => this.#arm(fault));
  }

  /** Strikes now, or at a later event of what it hits; in the end it strikes anyway. */
  #arm(fault: Fault): void {
    const target = fault.afterSteps === 0 ? undefined : this.#processOf(fault);
    if (target === undefined) {
      this.#strike(fault);
      return;
    }
    const atStep = target.steps + fault.afterSteps;
    let hasStruck = false;
    const strike = (): void => {
      if (hasStruck) return;
      hasStruck = true;
      target.onStep = undefined;
      this.#strike(fault);
    };
    target.onStep = () => {
      if (target.steps >= atStep) strike();
    };
    this.#options.scheduler.at(2_000, null, faultLabel, strike);
  }

  #processOf({ kind, where }: Fault): Process | undefined {
    const site = this.#options.sites.get(where);
    return kind === 'kill-server' ? site?.broker.process : site?.sidecar;
  }

  #strike(fault: Fault): void {
    const { kind, where, forMs } = fault;
    this.struck += 1;
    this.#options.onLine(`FAULT ${kind} ${where} for ${Math.round(forMs)} ms`);
    const heal = this.#begin(fault);
    this.#options.scheduler.at(kind === 'clock' ? 0 : forMs, null, healLabel, () => {
      this.#options.onLine(`HEALED ${kind} ${where}`);
      heal();
      this.#open -= 1;
    });
  }

  /** Answers with what ends it. */
  #begin({ kind, where, forMs }: Fault): () => void {
    const { sites, leafs, scheduler, isDiskLate } = this.#options;
    const site = sites.get(where);
    const leaf = leafs.get(where);
    switch (kind) {
      case 'kill-sidecar':
        site?.killSidecar();
        return this.#keepDown(`${where} sidecar`, () => site?.startSidecar());
      case 'kill-server':
        site?.killServer(isDiskLate);
        return this.#keepDown(`${where} server`, () => site?.startServer());
      case 'kill-site':
      case 'lose-transit':
        return this.#killSite(where, kind === 'lose-transit');
      case 'pause-sidecar': {
        const process = site?.sidecar;
        if (process !== undefined) scheduler.pause(process);
        return () => process !== undefined && scheduler.resume(process);
      }
      case 'break':
        site?.breakConnections();
        return () => undefined;
      case 'clock':
        if (site?.sidecar !== undefined) site.sidecar.wallOffsetMs += forMs;
        return () => undefined;
      case 'cut':
        leaf?.cut();
        return this.#keepDown(where, () => leaf?.restore());
      case 'silence':
        leaf?.silence();
        return this.#keepDown(where, () => leaf?.restore());
      case 'slow':
        leaf?.slow(slowMs);
        return this.#keepDown(where, () => leaf?.restore());
    }
  }

  #killSite(where: string, isTransitLost: boolean): () => void {
    const site = this.#options.sites.get(where);
    site?.killSidecar();
    site?.killServer(this.#options.isDiskLate);
    if (isTransitLost) site?.loseTransit();
    const server = this.#keepDown(`${where} server`, () => site?.startServer());
    const sidecar = this.#keepDown(`${where} sidecar`, () => site?.startSidecar());
    return () => {
      server();
      sidecar();
    };
  }

  #keepDown(what: string, bringBack: () => void): () => void {
    this.#down.set(what, (this.#down.get(what) ?? 0) + 1);
    return () => {
      const left = (this.#down.get(what) ?? 1) - 1;
      this.#down.set(what, left);
      if (left === 0) bringBack();
    };
  }
}
