/**
 * The victim: an application that publishes at a steady rate at one site and one that consumes at another, all the time the
 * attacks go on, each message with an id of its own. What nats-server confirmed must arrive exactly once.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { BusError } from '../src/errors.ts';

export interface VictimReport {
  confirmed: number;
  lost: number;
  doubled: number;
  foreign: number;
}

export class Victim {
  readonly #confirmed = new Set<string>();
  readonly #unknown = new Set<string>();
  /** where each message lay: delivered again it lies where it lay */
  readonly #arrived = new Map<string, Set<number>>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #sentMs = new Map<string, number>();
  /** ms from publish to arrival, the newest last */
  readonly #tookMs: number[] = [];
  #foreign = 0;
  #isStopped = false;
  #loops: Promise<void>[] = [];

  get arrived(): number {
    return this.#arrived.size;
  }

  /** Payloads that were confirmed. */
  sample(count: number): string[] {
    return [...this.#confirmed].slice(-count);
  }

  /** 99th percentile of publish to arrival, ms, of the next so many messages; E_TIMEOUT when they do not come. */
  async p99(messages = 300): Promise<number> {
    const from = this.#tookMs.length;
    const deadline = performance.now() + 120_000;
    while (this.#tookMs.length < from + messages) {
      if (performance.now() > deadline) throw new BusError('E_TIMEOUT', 'the victim’s messages do not arrive');
      await delay(50);
    }
    return p99Of(this.#tookMs.slice(from));
  }

  start(publisher: NatsConnection, consumer: NatsConnection, perSecond: number): void {
    this.#loops = [this.#publish(publisher, perSecond), this.#consume(consumer)];
  }

  /** Waits until messages of after this moment arrive; false when none does. */
  async flows(withinMs = 20_000): Promise<boolean> {
    const want = this.#confirmed.size + 5;
    const deadline = performance.now() + withinMs;
    while (performance.now() < deadline) {
      if (this.arrived >= want) return true;
      await delay(50);
    }
    return false;
  }

  /** Ends publishing, waits for what was confirmed, and counts. */
  async stop(withinMs = 60_000): Promise<VictimReport> {
    this.#isStopped = true;
    await this.#loops[0];
    const deadline = performance.now() + withinMs;
    while (this.#lost() > 0 && performance.now() < deadline) await delay(100);
    const doubled = [...this.#arrived.values()].filter((places) => places.size > 1).length;
    return { confirmed: this.#confirmed.size, lost: this.#lost(), doubled, foreign: this.#foreign };
  }

  #lost(): number {
    return [...this.#confirmed].filter((id) => !this.#arrived.has(id)).length;
  }

  async #publish(nc: NatsConnection, perSecond: number): Promise<void> {
    const js = jetstream(nc, { timeout: 10_000 });
    while (!this.#isStopped) {
      if (this.#underWay.size < 200) {
        const one: Promise<void> = this.#publishOne(js).finally(() => this.#underWay.delete(one));
        this.#underWay.add(one);
      }
      await delay(1_000 / perSecond);
    }
    await Promise.all(this.#underWay);
  }

  async #publishOne(js: ReturnType<typeof jetstream>): Promise<void> {
    const id = randomUUID();
    this.#sentMs.set(id, performance.now());
    try {
      await js.publish('trade.eu', id);
      this.#confirmed.add(id);
    } catch {
      this.#unknown.add(id);
    }
  }

  async #consume(nc: NatsConnection): Promise<void> {
    while (!nc.isClosed()) {
      try {
        const consumer = await jetstream(nc).consumers.get('trade@risk', 'risk');
        for await (const message of await consumer.fetch({ max_messages: 200, expires: 1_000 })) {
          const id = message.string();
          // an arrival that nobody of ours sent; while its confirmation is under way it is ours as well
          if (!/^[0-9a-f-]{36}$/.test(id)) this.#foreign += 1;
          if (!this.#arrived.has(id)) this.#tookMs.push(performance.now() - (this.#sentMs.get(id) ?? 0));
          this.#arrived.set(id, (this.#arrived.get(id) ?? new Set()).add(message.seq));
          message.ack();
        }
      } catch {
        await delay(100);
      }
    }
  }
}

/** @param samples ms, one or more */
export function p99Of(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}
