/** One part of the bench, and what parts share: contenders that are started when first asked for and stopped at the end. */
import { join } from 'node:path';
import { say } from '../demo/program.ts';
import { errorText } from '../src/errors.ts';
import { type BusContender, startBus } from './bus.ts';
import type { Contender } from './contender.ts';
import type { Feed } from './loads.ts';
import { type Conditions, type Load, type Measurement, measure } from './measure.ts';
import { findPeer } from './peers/find.ts';
import { startMosquitto } from './peers/mosquitto.ts';
import { type NativeContender, startNative } from './peers/native.ts';
import { startRabbit } from './peers/rabbitmq.ts';
import type { Row } from './rows.ts';

export interface Part {
  name: string;
  run(bench: Bench): Promise<Row[]>;
}

/** Topics of the lab that most parts run on. */
const topics = [
  { topic: 'small' },
  { topic: 'medium' },
  { topic: 'large' },
  { topic: 'feed' },
  { topic: 'fan', groups: 3 },
  { topic: 'cut' },
];

export class Bench {
  readonly dir: string;
  readonly isQuick: boolean;
  readonly feed: Feed;
  readonly #started = new Map<string, Promise<Contender>>();
  readonly #serials = new Map<string, number>();

  constructor(options: { dir: string; isQuick: boolean; feed: Feed }) {
    this.dir = options.dir;
    this.isQuick = options.isQuick;
    this.feed = options.feed;
  }

  bus(): Promise<BusContender> {
    return this.contender('bus', () => startBus({ dir: join(this.dir, 'bus'), topics }));
  }

  /** The same bus once more, in a node with these options. */
  busWith(name: string, nodeOptions: string): Promise<BusContender> {
    return this.contender(name, () => startBus({ dir: join(this.dir, name), topics, name, nodeOptions }));
  }

  native(): Promise<NativeContender> {
    return this.contender('native', () => startNative({ dir: join(this.dir, 'native') }));
  }

  nativePacked(): Promise<NativeContender> {
    return this.contender('packed', () => startNative({ dir: join(this.dir, 'packed'), compression: 's2_fast' }));
  }

  /** Undefined where the machine has none. */
  async rabbit(): Promise<Contender | undefined> {
    const binary = await findPeer('rabbitmq-server');
    if (binary === undefined) return undefined;
    return this.contender('rabbitmq', () => startRabbit({ dir: join(this.dir, 'rabbitmq'), binary }));
  }

  /** Undefined where the machine has none. */
  async mosquitto(autosaveSeconds?: number): Promise<Contender | undefined> {
    const binary = await findPeer('mosquitto');
    if (binary === undefined) return undefined;
    const key = `mosquitto${autosaveSeconds ?? ''}`;
    const often = autosaveSeconds === undefined ? {} : { autosaveSeconds };
    return this.contender(key, () => startMosquitto({ dir: join(this.dir, key), binary, ...often }));
  }

  /** Brokers of other kinds, those that the machine has. */
  async brokers(): Promise<Contender[]> {
    return [await this.rabbit(), await this.mosquitto()].filter((each) => each !== undefined);
  }

  /** The one of that key, started when nobody has asked for it yet. */
  contender<C extends Contender>(key: string, start: () => Promise<C>): Promise<C> {
    const known = this.#started.get(key) as Promise<C> | undefined;
    if (known !== undefined) return known;
    say(`starting ${key}`);
    const starting = start();
    this.#started.set(key, starting);
    return starting;
  }

  /** Runs all loads once per round, one after the other, in the same order: A B A B. Index by contender, then by round. */
  async inTurns(
    rounds: number,
    runs: readonly { contender: Contender; load: Load; conditions: Conditions }[],
  ): Promise<Measurement[][]> {
    const results: Measurement[][] = runs.map(() => []);
    for (let round = 1; round <= rounds; round++) {
      for (const [at, { contender, load, conditions }] of runs.entries()) {
        const topic = contender.isDeclared === true ? conditions.topic : this.#fresh(conditions.topic);
        const measured = await measure(contender, load, { ...conditions, topic });
        results[at]?.push(measured);
        say(`${conditions.topic}, round ${round}: ${contender.name} ${told(measured)}`);
      }
    }
    return results;
  }

  /** Stops one before the end. */
  async release(key: string): Promise<void> {
    const starting = this.#started.get(key);
    this.#started.delete(key);
    await starting?.then((contender) => contender.stop()).catch((error: unknown) => say(errorText(error)));
  }

  async stop(): Promise<void> {
    for (const key of [...this.#started.keys()].reverse()) await this.release(key);
  }

  #fresh(topic: string): string {
    const serial = (this.#serials.get(topic) ?? 0) + 1;
    this.#serials.set(topic, serial);
    return `${topic}-${serial}`;
  }
}

/** Pairs of the same round. */
export function paired(mine: readonly Measurement[], theirs: readonly Measurement[]): [Measurement, Measurement][] {
  return mine.flatMap((each, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [[each, other]];
  });
}

function told({ messagesPerSecond, megabitsPerSecond, linkBytesPerByte, wrong }: Measurement): string {
  const rate = `${Math.round(messagesPerSecond).toLocaleString('en')} msg/s, ${megabitsPerSecond.toFixed(1)} Mbit/s`;
  return `${rate}, ${linkBytesPerByte.toFixed(2)} bytes on the link per byte${wrong > 0 ? `, WRONG: ${wrong}` : ''}`;
}
