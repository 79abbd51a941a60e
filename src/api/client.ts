/**
 * The caller's side of the control API, over whatever NATS connection reaches account CTL. Asks again inside the
 * timeout when nobody listens or nobody answers (another replica may), and takes nothing but authentic answers.
 */
import { randomBytes } from 'node:crypto';
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import type { z } from 'zod';
import { type Clock, systemClock } from '../clock.ts';
import { BusError, isBusError } from '../errors.ts';
import { readAnswer } from './answer.ts';
import type { CallerKey, ControlPublicKeys } from './control-keys.ts';
import { apiVersion, openAnswer, type SealedRequest, sealRequest, versionNotSpoken } from './frame.ts';
import {
  type ControlClient,
  type MethodName,
  methods,
  onceMethods,
  type RequestOf,
  type ResponseOf,
} from './methods.ts';
import { noticeSubject, replyPrefix, requestSubject } from './subjects.ts';
import { parseKnown } from './tolerant.ts';

export interface ControlClientOptions {
  nc: NatsConnection;
  busId: string;
  /** the caller's branch of subjects: site id, admin id or token id */
  callerId: string;
  caller: CallerKey;
  control: ControlPublicKeys;
  /** closes `nc` too when the client is closed */
  ownsConnection?: boolean;
  clock?: Clock;
}

const defaultTimeoutMs = 5_000;
/** one transaction over the whole bus: thousands of rows */
const applyTimeoutMs = 60_000;
const firstAttemptMs = 2_000;
const noResponders = 503;

export function createControlClient(options: ControlClientOptions): ControlClient {
  return new NatsControlClient(options);
}

type Outcome = { answer: unknown } | { speaks: string } | 'no-responders' | 'silence';

class NatsControlClient implements ControlClient {
  readonly #options: ControlClientOptions;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, (message: Msg) => void>();
  readonly #subscriptions: Subscription[] = [];
  /** control plane's clock minus ours, learned when a request was refused as stale */
  #clockOffsetMs = 0;

  constructor(options: ControlClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const callback = (error: Error | null, message: Msg): void => {
      if (!error) this.#waiting.get(message.subject)?.(message);
    };
    this.#subscriptions.push(options.nc.subscribe(`${replyPrefix(options.callerId)}.*`, { callback }));
  }

  async call<M extends MethodName>(
    method: M,
    request: RequestOf<M>,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<ResponseOf<M>> {
    const { timeoutMs = method === 'bus.apply' ? applyTimeoutMs : defaultTimeoutMs, signal } = options;
    const deadline = this.#clock.monotonicMs() + timeoutMs;
    try {
      return await this.#ask(method, request, deadline, signal);
    } catch (error) {
      if (!isBusError(error, 'E_REQUEST_STALE')) throw error;
      const nowMs = error.details.nowMs;
      if (typeof nowMs !== 'number') throw error;
      this.#clockOffsetMs = nowMs - this.#clock.wallMs();
      return this.#ask(method, request, deadline, signal);
    }
  }

  onNotice(callback: (version: number) => void): void {
    const onMessage = (error: Error | null, message: Msg): void => {
      const version = error ? Number.NaN : Number(message.string());
      if (Number.isSafeInteger(version)) callback(version);
    };
    this.#subscriptions.push(this.#options.nc.subscribe(noticeSubject, { callback: onMessage }));
  }

  async close(): Promise<void> {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    if (this.#options.ownsConnection) await this.#options.nc.close();
  }

  async #ask<M extends MethodName>(
    method: M,
    request: RequestOf<M>,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<ResponseOf<M>> {
    let sealed = await this.#seal(method, request);
    // nobody signs it, so it explains a silence and ends none
    let speaks: string | undefined;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const leftMs = deadline - this.#clock.monotonicMs();
      if (leftMs <= 0) throw speaks === undefined ? this.#away(method) : apart(method, speaks);
      const outcome = await this.#exchange(method, sealed, Math.min(leftMs, firstAttemptMs * attempt), signal);
      if (typeof outcome === 'object' && 'answer' in outcome) return parseResponse(method, readAnswer(outcome.answer));
      if (typeof outcome === 'object') speaks = outcome.speaks;
      if (outcome !== 'silence') await this.#clock.sleep(Math.min(50 * attempt, 500, leftMs), signal);
      // where doing it twice is not the same as once, the very same frame lets the control plane tell
      if (!onceMethods.has(method)) sealed = await this.#seal(method, request);
    }
  }

  #seal(method: MethodName, request: unknown): Promise<SealedRequest> {
    const { busId, callerId, caller, control } = this.#options;
    const atMs = this.#clock.wallMs() + this.#clockOffsetMs;
    return sealRequest({ busId, callerId, method }, request, caller, { control, atMs });
  }

  /** Resolves with the first authentic answer; what others say is passed over. */
  async #exchange(method: MethodName, sealed: SealedRequest, waitMs: number, signal?: AbortSignal): Promise<Outcome> {
    const { nc, callerId, control } = this.#options;
    const reply = `${replyPrefix(callerId)}.${randomBytes(12).toString('hex')}`;
    const wait = new AbortController();
    const answered = new Promise<Outcome>((resolve) => {
      this.#waiting.set(reply, (message) => {
        if (message.data.length === 0 && message.headers?.code === noResponders) return resolve('no-responders');
        const answer = authentic(() => openAnswer(message.data, sealed.answerKey, control));
        if (answer !== undefined) return resolve({ answer });
        const speaks = spokenVersions(message);
        if (speaks !== undefined) resolve({ speaks });
      });
    });
    try {
      nc.publish(requestSubject(callerId, method), sealed.frame, { reply });
      const signals = signal ? AbortSignal.any([wait.signal, signal]) : wait.signal;
      const silence = this.#clock.sleep(waitMs, signals).then((): Outcome => 'silence');
      return await Promise.race([answered, silence]);
    } catch (cause) {
      signal?.throwIfAborted();
      throw new BusError('E_CONTROL_AWAY', `${method}: this connection to the control plane is closed`, { cause });
    } finally {
      wait.abort();
      this.#waiting.delete(reply);
    }
  }

  #away(method: MethodName): BusError {
    return new BusError('E_CONTROL_AWAY', `${method}: no control plane answered in time; it is asked again later`, {
      details: { method },
    });
  }
}

/** What a control plane says that does not speak this version of the API. */
function spokenVersions(message: Msg): string | undefined {
  if (message.headers?.get('Nats-Service-Error-Code') !== String(versionNotSpoken)) return undefined;
  return /^\d{1,3} to \d{1,3}$/.exec(message.headers.get('Nats-Service-Error'))?.[0];
}

function apart(method: MethodName, speaks: string): BusError {
  const text = `${method}: this program speaks version ${apiVersion} of the control API, and the control plane answers that it speaks ${speaks}`;
  return new BusError('E_VERSION_APART', text, { details: { method, speaks } });
}

function authentic(open: () => unknown): unknown {
  try {
    return open();
  } catch {
    return undefined;
  }
}

function parseResponse<M extends MethodName>(method: M, response: unknown): ResponseOf<M> {
  const parsed = parseKnown<z.ZodType>(methods[method].response, response);
  if (parsed.success) return parsed.data as ResponseOf<M>;
  throw new BusError('E_REQUEST_BAD', `${method}: the answer has a form this version does not know`, {
    cause: parsed.error,
  });
}
