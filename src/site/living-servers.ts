/**
 * Which of a site's nats-servers live, asked over one SYS connection, and requests to each or all of them. Of three, one
 * that does not answer a few looks in a row is away; while nobody answers at all it is this connection that is away, and
 * nothing is concluded. With one server there is nothing to look for: it is the one that is connected.
 */
import { createInbox, type NatsConnection } from '@nats-io/nats-core';
import { BusError, errorText } from '../errors.ts';
import type { Logger } from '../log.ts';
import { systemRequest } from '../server/index.ts';
import type { ServerPlace } from './places.ts';

export interface LivingServersOptions {
  system: NatsConnection;
  places: readonly ServerPlace[];
  /** told when one has come, gone, or is another process */
  onChange: () => void;
  log: Logger;
}

interface Seen {
  id: string;
  /** looks in a row without an answer */
  misses: number;
}

const lookMs = 500;
const patienceMs = 400;
/** misses that make a server count as away */
const mostMisses = 3;
const answerMs = 2_500;
const attempts = 2;
/** who shuts a sidecar out goes no further before it is done: a busy server is given time */
const attemptsAtAll = 8;

export class LivingServers {
  readonly #options: LivingServersOptions;
  /** by number */
  readonly #seen = new Map<number, Seen>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: LivingServersOptions) {
    this.#options = options;
  }

  /** Resolves when all have answered, or looks enough have told which live. */
  async start(): Promise<void> {
    const { length } = this.#options.places;
    if (!this.#hasSeveral) return;
    for (let look = 0; look < mostMisses && this.#seen.size < length; look++) await this.#look();
    this.#timer = setInterval(() => void this.#look(), lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Numbers of those that live. */
  get numbers(): number[] {
    return this.#hasSeveral ? [...this.#seen.keys()].sort() : [1];
  }

  /** Their ids, another one in each life. */
  get ids(): string[] {
    return this.numbers.map((number) => this.idOf(number));
  }

  idOf(number: number): string {
    if (!this.#hasSeveral) return this.#options.system.info?.server_id ?? '';
    return this.#seen.get(number)?.id ?? '';
  }

  /** One server's answer. E_SERVER_AWAY, E_SERVER_REFUSED with its reason. */
  async request(number: number, subject: (serverId: string) => string, body = ''): Promise<unknown> {
    const { system } = this.#options;
    const at = this.#hasSeveral ? () => subject(this.idOf(number)) : subject;
    return systemRequest(system, at, body, this.#hasSeveral ? { attempts, answerMs } : {});
  }

  /** What all servers heed: resolves when each that lives has. E_SERVER_AWAY, E_SERVER_REFUSED with the first reason. */
  async requestAll(subject: string, body: string): Promise<void> {
    if (!this.#hasSeveral) {
      await systemRequest(this.#options.system, () => subject, body);
      return;
    }
    for (let attempt = 1; ; attempt++) {
      const missing = await this.#askAll(subject, body);
      if (missing.length === 0) return;
      // whoever died meanwhile hears of it when it is back
      for (let look = 0; look < mostMisses; look++) await this.#look();
      if (missing.every((id) => !this.ids.includes(id))) return;
      if (attempt === attemptsAtAll)
        throw new BusError('E_SERVER_AWAY', `${missing.length} servers did not answer ${subject}`);
    }
  }

  /** Ids of living servers that did not answer. */
  async #askAll(subject: string, body: string): Promise<string[]> {
    const waiting = new Set(this.ids);
    let refusal: string | undefined;
    await this.#gather(subject, body, answerMs, (answer) => {
      const { server, error } = answer as { server?: { id?: string }; error?: { description?: string } };
      if (error !== undefined) refusal ??= error.description ?? `refused ${subject}`;
      waiting.delete(server?.id ?? '');
      return waiting.size === 0;
    });
    if (refusal !== undefined) throw new BusError('E_SERVER_REFUSED', refusal);
    return [...waiting];
  }

  get #hasSeveral(): boolean {
    return this.#options.places.length > 1;
  }

  /** One look at a time; calls while one is under way share it. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { places, log } = this.#options;
    const found = new Map<number, string>();
    try {
      await this.#gather('$SYS.REQ.SERVER.PING.IDZ', '', patienceMs, (answer) => {
        const { name, id } = answer as { name?: string; id?: string };
        const place = places.find((each) => each.name === name);
        if (place !== undefined && id !== undefined) found.set(place.number, id);
        return found.size === places.length;
      });
    } catch (error) {
      log.debug({ event: 'servers.unknown', err: error }, errorText(error));
    }
    if (found.size > 0) this.#compare(found);
  }

  #compare(found: ReadonlyMap<number, string>): void {
    const before = this.ids.join();
    for (const [number, seen] of this.#seen) {
      seen.misses = found.has(number) ? 0 : seen.misses + 1;
      if (seen.misses >= mostMisses) this.#seen.delete(number);
    }
    for (const [number, id] of found) this.#seen.set(number, { id, misses: 0 });
    if (this.ids.join() === before) return;
    const { log, onChange } = this.#options;
    log.info({ event: 'servers.living', servers: this.numbers }, `nats-servers at work: ${this.numbers.join(', ')}`);
    onChange();
  }

  /** Hands answers on until `isDone` says so or the time is up. */
  async #gather(subject: string, body: string, ms: number, isDone: (answer: unknown) => boolean): Promise<void> {
    const { system } = this.#options;
    const inbox = createInbox();
    const subscription = system.subscribe(inbox);
    const timer = setTimeout(() => subscription.unsubscribe(), ms);
    try {
      system.publish(subject, body, { reply: inbox });
      for await (const message of subscription) if (isDone(message.json())) return;
    } catch (cause) {
      throw new BusError('E_SERVER_AWAY', `nats-server did not answer ${subject}: ${errorText(cause)}`, { cause });
    } finally {
      clearTimeout(timer);
      subscription.unsubscribe();
    }
  }
}
