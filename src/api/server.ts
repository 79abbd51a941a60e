/**
 * The control plane's side of the API: a NATS micro service, so `nats micro ls|info|stats` shows it, one endpoint per
 * method in a queue group that all replicas share. Opens the frame, refuses what is stale or malformed, hands the rest
 * to `answer`, and seals what comes back. What does not open gets no answer that says why.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { type Service, type ServiceMsg, Svcm } from '@nats-io/services';
import type { z } from 'zod';
import { systemClock } from '../clock.ts';
import { BusError, isBusError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { Occasional } from '../occasional.ts';
import { errorAnswer, okAnswer } from './answer.ts';
import type { ControlKeys } from './control-keys.ts';
import { isSpoken, type OpenedRequest, openRequest, sealAnswer, spokenVersions, versionNotSpoken } from './frame.ts';
import { type MethodName, methods } from './methods.ts';
import { callerOf, endpointSubject } from './subjects.ts';
import { parseKnown } from './tolerant.ts';

/** A request that opened and parsed; who may do what is the receiver's to decide. */
export interface IncomingCall {
  method: MethodName;
  /** parsed by the method's schema */
  request: unknown;
  /** Ed25519 public key that signed it */
  key: string;
  callerId: string;
  nonce: string;
  /** the control plane's time as the caller estimates it, within `maxSkewMs` of ours */
  atMs: number;
}

export interface ServeOptions {
  nc: NatsConnection;
  busId: string;
  keys: ControlKeys;
  answer: (call: IncomingCall) => Promise<unknown>;
  /** errors that are not BusErrors yet become one here */
  toBusError: (error: unknown, doing: string) => BusError;
  log: Logger;
  version: string;
  /** told of each request: method, code of the outcome (`ok` or an error code), duration */
  onDone?: (method: MethodName, code: string, durationMs: number) => void;
}

/** A request's time may differ from ours by this much; nonces are kept longer. */
export const maxSkewMs = 15 * 60 * 1000;

export async function serveControl(options: ServeOptions): Promise<Service> {
  const failures = new Occasional(systemClock);
  // the services package names an older nats-core in its types; what it calls of a connection is the same
  const nc = options.nc as unknown as ConstructorParameters<typeof Svcm>[0];
  const service = await new Svcm(nc).add({
    name: 'mbus-control',
    version: options.version,
    description: 'control plane of a message bus: every request is signed and sealed',
    queue: 'mbus-control',
  });
  for (const method of methodNames()) {
    service.addEndpoint(method.replace('.', '-'), {
      subject: endpointSubject(method),
      handler: (error, message) => {
        if (!error) void serveOne(options, failures, method, message);
      },
    });
  }
  return service;
}

async function serveOne(
  options: ServeOptions,
  failures: Occasional,
  method: MethodName,
  message: ServiceMsg,
): Promise<void> {
  const startMs = performance.now();
  let code = 'ok';
  if (!isSpoken(message.data)) {
    message.respondError(versionNotSpoken, `${spokenVersions.min} to ${spokenVersions.max}`);
    options.onDone?.(method, 'E_VERSION_APART', performance.now() - startMs);
    return;
  }
  try {
    const callerId = callerOf(message.subject);
    const opened = await openRequest({ busId: options.busId, callerId, method }, message.data, options.keys);
    const answer = await answerOpened(options, method, callerId, opened).catch((thrown: unknown) => {
      const error = options.toBusError(thrown, `serving ${method}`);
      code = error.code;
      logFailure(options.log, failures, method, error);
      return errorAnswer(error);
    });
    message.respond(sealAnswer(answer, opened.answerWith, options.keys));
  } catch (error) {
    code = isBusError(error) ? error.code : 'E_INTERNAL';
    options.log.debug({ event: 'api.rejected', method, code }, 'a request did not open');
    message.respondError(400, 'rejected');
  } finally {
    options.onDone?.(method, code, performance.now() - startMs);
  }
}

async function answerOpened(
  options: ServeOptions,
  method: MethodName,
  callerId: string,
  opened: OpenedRequest,
): Promise<unknown> {
  const nowMs = Date.now();
  if (!(Math.abs(opened.atMs - nowMs) <= maxSkewMs)) {
    throw new BusError('E_REQUEST_STALE', `${method}: the request's clock differs from the control plane's`, {
      details: { nowMs },
    });
  }
  // a site may be newer than its control plane: what it reports more is passed over
  const { request } = methods[method];
  const parsed =
    method === 'site.report' ? parseKnown<z.ZodType>(request, opened.request) : request.safeParse(opened.request);
  if (!parsed.success) {
    const problems = parsed.error.issues.slice(0, 20).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new BusError('E_REQUEST_BAD', `${method}: ${problems.join('; ')}`, { details: { problems } });
  }
  if (!isStorable(parsed.data))
    throw new BusError('E_REQUEST_BAD', `${method}: a text holds a zero or half a character`);
  const { key, nonce, atMs } = opened;
  const result = await options.answer({ method, request: parsed.data, key, callerId, nonce, atMs });
  return okAnswer(result);
}

/** PostgreSQL stores neither zeros nor lone surrogates, which JSON can spell. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, item]) => isStorable(key) && isStorable(item));
}

function logFailure(log: Logger, failures: Occasional, method: MethodName, error: BusError): void {
  const fields = { event: 'api.failed', method, code: error.code };
  if (error.disposition === 'reject') {
    const unsaid = failures.say(`${method} ${error.code}`);
    if (unsaid !== undefined) log.info({ ...fields, unsaid }, error.message);
  } else log.warn({ ...fields, err: error.cause }, error.message);
}

function methodNames(): MethodName[] {
  return Object.keys(methods).filter((name): name is MethodName => Object.hasOwn(methods, name));
}
