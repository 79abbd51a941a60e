/**
 * A link that is cut and comes back: how long from its return to the first message, for everybody at the same time, because
 * most of it is waiting; and the longest silence under a cut of 2 s every 20 s.
 *
 * A trickle is published all the while. Nothing may arrive and no byte may pass during a cut, or the run proves nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { say } from '../../demo/program.ts';
import { BusError } from '../../src/errors.ts';
import type { Contender, Route } from '../contender.ts';
import { Fingerprint } from '../measure.ts';
import type { Part } from '../part.ts';
import { median, type Row, row } from '../rows.ts';
import { until } from '../wait.ts';

const messageBytes = 256;
const everyMs = 20;
const patienceMs = 90_000;
/** what was on its way when the link was cut has landed after this long */
const settleMs = 300;
const flaps = 2;

/** A trickle over one contender's link, and when it arrived. */
class Trickle {
  readonly contender: Contender;
  readonly #route: Route;
  readonly #sent = new Fingerprint();
  readonly #got = new Fingerprint();
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  #publishing: Promise<void> | undefined;
  #endListening: (() => Promise<void>) | undefined;
  #number = 0;
  lastMs = performance.now();
  maxGapMs = 0;

  private constructor(contender: Contender, route: Route) {
    this.contender = contender;
    this.#route = route;
  }

  static async start(contender: Contender, topic: string): Promise<Trickle> {
    const route = await contender.route({ topic });
    await route.start();
    const trickle = new Trickle(contender, route);
    trickle.#endListening = await route.listen((payload) => trickle.#take(payload));
    trickle.#publishing = trickle.#publish();
    await until(`message over ${contender.name}`, async () => trickle.received || undefined);
    return trickle;
  }

  get received(): number {
    return this.#got.count;
  }

  /** Stops publishing and waits for the rest; how many messages are lost, doubled or changed. */
  async stop(): Promise<number> {
    this.#stopping.abort();
    await this.#publishing;
    const deadlineMs = performance.now() + patienceMs;
    while (this.#got.count < this.#sent.count && performance.now() < deadlineMs) await delay(50);
    await delay(settleMs);
    await this.#endListening?.();
    await this.#route.close();
    return this.#got.wrongAgainst(this.#sent);
  }

  async #publish(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const payload = Buffer.alloc(messageBytes);
      payload.writeUInt32BE(this.#number++, 0);
      this.#sent.add(payload);
      const one = this.#route.publish(payload).finally(() => this.#underWay.delete(one));
      this.#underWay.add(one);
      await delay(everyMs);
    }
    await Promise.all(this.#underWay);
  }

  #take(payload: Uint8Array): void {
    this.#got.add(payload);
    const nowMs = performance.now();
    this.maxGapMs = Math.max(this.maxGapMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
  }
}

interface Returned {
  /** from the link's return to the first message, milliseconds; null when none came while one waited */
  firstMs: number | null;
}

export const cutsPart: Part = {
  name: 'cuts',
  run: async (bench) => {
    const contenders = [await bench.bus(), await bench.native(), ...(await bench.brokers())];
    const trickles = await Promise.all(contenders.map((each, at) => Trickle.start(each, at === 0 ? 'cut' : 'cut-1')));
    const cuts = bench.isQuick ? [2, 20] : [2, 2, 2, 20, 60];
    const byLength = new Map<number, Returned[][]>();
    for (const seconds of cuts) {
      const known = byLength.get(seconds) ?? [];
      byLength.set(seconds, [...known, await Promise.all(trickles.map((each) => cutOnce(each, seconds)))]);
    }
    const gaps = bench.isQuick ? [] : await flapping(trickles);
    const wrong = await Promise.all(trickles.map((each) => each.stop()));
    return [...[...byLength].flatMap(([seconds, runs]) => cutRows(contenders, seconds, runs, wrong)), ...gaps];
  },
};

async function cutOnce(trickle: Trickle, seconds: number): Promise<Returned> {
  const { contender } = trickle;
  await contender.cut();
  await delay(settleMs);
  const [received, bytes] = [trickle.received, await contender.linkBytes()];
  await delay(seconds * 1_000 - settleMs);
  if ((await contender.linkBytes()) !== bytes || trickle.received !== received)
    throw new BusError('E_INTERNAL', `bench: ${contender.name} goes around its cut link`);
  const startMs = performance.now();
  await contender.restore();
  const isBack = async (): Promise<true | undefined> => (trickle.received > received ? true : undefined);
  const firstMs = await until('first message', isBack, { patienceMs, pollMs: 1 })
    .then(() => trickle.lastMs - startMs)
    .catch(() => null);
  say(`cut of ${seconds} s: ${contender.name} ${firstMs === null ? 'not back' : `${Math.round(firstMs)} ms`}`);
  return { firstMs };
}

/** Cuts of 2 s, one every 20 s. */
async function flapping(trickles: readonly Trickle[]): Promise<Row[]> {
  for (const trickle of trickles) trickle.maxGapMs = 0;
  for (let cut = 1; cut <= flaps; cut++) {
    await Promise.all(trickles.map(({ contender }) => contender.cut()));
    await delay(2_000);
    await Promise.all(trickles.map(({ contender }) => contender.restore()));
    await delay(18_000);
  }
  const [mine, ...others] = trickles;
  return others.map(({ contender, maxGapMs }) =>
    row({
      work: 'a cut of 2 s every 20 s, longest silence',
      unit: 'ms',
      value: mine?.maxGapMs ?? null,
      peer: contender.name,
      peerValue: maxGapMs,
    }),
  );
}

function cutRows(
  contenders: readonly Contender[],
  seconds: number,
  runs: readonly Returned[][],
  wrong: readonly number[],
): Row[] {
  const worst = (at: number): number | null => {
    const all = runs.map((run) => run[at]?.firstMs ?? null);
    return all.includes(null) ? null : median(all.filter((each) => each !== null));
  };
  return contenders.slice(1).map((peer, index) =>
    row({
      work: `cut of ${seconds} s, first message after the link's return`,
      unit: 'ms',
      value: worst(0),
      peer: peer.name,
      peerValue: worst(index + 1),
      target: { of: 'value', is: 'below', limit: 1_000 },
      wrong: wrong[0] ?? 0,
      peerWrong: wrong[index + 1] ?? 0,
      note: worst(index + 1) === null ? `not back within ${patienceMs / 1_000} s` : '',
    }),
  );
}
