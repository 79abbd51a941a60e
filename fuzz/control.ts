/**
 * Frames to the control plane with a site's credentials: sealed requests changed on the way, requests changed before the
 * site's own key seals them, and requests to the key service changed between proof and seal.
 *
 * What opens and parses is refused by an error with a code. A site may say of itself what it likes (`ownWord`): that is
 * stored as its own. A key request is the same as a real one when every field that its proof covers is.
 */
import { randomUUID } from 'node:crypto';
import type { SiteActor, World } from '../attack/world.ts';
import type { Random } from '../sim/random.ts';
import { readAnswer } from '../src/api/answer.ts';
import { openAnswer, type SealedRequest, sealRequest } from '../src/api/frame.ts';
import { type MethodName, methods } from '../src/api/methods.ts';
import { replyPrefix, requestSubject } from '../src/api/subjects.ts';
import { context, newId16 } from '../src/envelope/index.ts';
import { BusError, isBusError } from '../src/errors.ts';
import { openProof, reticketProof, ticketProof } from '../src/keys/index.ts';
import { openConnection } from '../src/site/connections.ts';
import { type Json, mutateBytes, mutateJson } from './mutate.ts';
import { countRefused, inWindow, newTally, noteFinding, type Tally } from './tally.ts';

const answerMs = 30_000;
/** of a NATS micro service */
const errorHeader = 'Nats-Service-Error-Code';
const underWay = 32;
/** changed frames made of one sealed request */
const perSealed = 64;
/** errors of the endpoint itself: a request must not be able to call them forth */
const ownFailures = new Set(['E_INTERNAL', 'E_DATABASE']);
const ownWord = new Set<MethodName>(['snapshot.get', 'site.report', 'site.trace']);

/** A site's wire to the control plane, beside its sidecar's. */
export class ControlWire {
  readonly actor: SiteActor;
  readonly #nc: Awaited<ReturnType<typeof openConnection>>;
  readonly #waiting = new Map<string, (answer: Buffer | 'rejected' | 'silence') => void>();
  readonly #prefix: string;
  #serial = 0;

  private constructor(actor: SiteActor, nc: Awaited<ReturnType<typeof openConnection>>) {
    this.actor = actor;
    this.#nc = nc;
    this.#prefix = `${replyPrefix(actor.siteId)}.fuzz${process.hrtime.bigint()}.`;
    nc.subscribe(`${this.#prefix}>`, {
      callback: (_, { subject, data, headers }) =>
        this.#waiting.get(subject)?.(headers?.has(errorHeader) ? 'rejected' : Buffer.from(data)),
    });
  }

  static async open(world: World, site: string): Promise<ControlWire> {
    const actor = await world.site(site);
    const noLink = (): never => {
      throw new BusError('E_INTERNAL', 'no link is asked for');
    };
    const nc = await openConnection(actor.dir, 'CTL', noLink, { name: 'fuzz' });
    world.onEnd(() => nc.close());
    return new ControlWire(actor, nc);
  }

  /** What comes back to these bytes. */
  say(method: MethodName, frame: Uint8Array): Promise<Buffer | 'rejected' | 'silence'> {
    this.#serial += 1;
    const reply = `${this.#prefix}${this.#serial}`;
    return new Promise((resolve) => {
      const settle = (answer: Buffer | 'rejected' | 'silence'): void => {
        clearTimeout(timer);
        this.#waiting.delete(reply);
        resolve(answer);
      };
      const timer = setTimeout(() => settle('silence'), answerMs);
      this.#waiting.set(reply, settle);
      this.#nc.publish(requestSubject(this.actor.siteId, method), frame, { reply });
    });
  }

  async seal(method: MethodName, request: unknown): Promise<SealedRequest> {
    const { busId, siteId, control } = this.actor.dir.file;
    const by = await this.actor.dir.requestKey();
    return sealRequest({ busId, callerId: siteId, method }, request, by, { control, atMs: Date.now() });
  }

  /** `ok`, the code of the error, `rejected` or `silence`. */
  async ask(method: MethodName, request: unknown): Promise<string> {
    const { frame, answerKey } = await this.seal(method, request);
    const answer = await this.say(method, frame);
    if (typeof answer === 'string') return answer;
    try {
      readAnswer(openAnswer(answer, answerKey, this.actor.dir.file.control));
      return 'ok';
    } catch (error) {
      return isBusError(error) ? error.code : 'no answer of the control plane’s';
    }
  }
}

const methodNames = (Object.keys(methods) as MethodName[]).filter((name) => !name.startsWith('key.'));

/** Changed on the way: nothing of it may open. */
export async function fuzzSealed(random: Random, wire: ControlWire, count: number): Promise<Tally> {
  const tally = newTally('control, on the way');
  const names: MethodName[] = [...methodNames, 'key.ticket', 'key.open', 'key.reticket'];
  let sealed = await wire.seal('snapshot.get', { have: 0 });
  if (typeof (await wire.say('snapshot.get', sealed.frame)) === 'string')
    throw new BusError('E_INTERNAL', 'a real request is not answered');
  await inWindow(count, underWay, async () => {
    if (tally.sent % perSealed === 0) sealed = await wire.seal('snapshot.get', { have: 0 });
    const frame = mutateBytes(random, [sealed.frame]);
    const method = random.isLikely(0.8) ? 'snapshot.get' : random.pick(names);
    tally.sent += 1;
    const answer = await wire.say(method, frame);
    if (answer === 'silence') tally.unanswered += 1;
    else if (answer === 'rejected') countRefused(tally, 'E_REQUEST_BAD');
    else noteFinding(tally, `${method} opened ${frame.toString('hex')}`);
  });
  return tally;
}

/** Changed before the site's key seals it: every method, also those of others. */
export async function fuzzRequests(random: Random, wire: ControlWire, count: number): Promise<Tally> {
  const tally = newTally('control, by the site itself');
  const { siteId, customer } = wire.actor;
  const known: Json = {
    terminalId: customer('acme').terminalId,
    have: 0,
    csrPem: 'x',
    hops: [],
    traceId: randomUUID(),
  };
  const bases: Partial<Record<MethodName, Json>> = {
    'snapshot.get': { have: 0 },
    'site.trace': { traceId: randomUUID(), terminalId: siteId, hops: [] },
    'site.report': report(),
    'bus.apply': { file: { sites: [], customers: [] }, force: true },
    'token.create': { site: 'tokyo' },
  };
  await inWindow(count, underWay, async () => {
    const method = random.pick(random.isLikely(0.5) ? [...ownWord] : methodNames);
    const request = mutateJson(random, bases[method] ?? known);
    tally.sent += 1;
    settle(tally, method, request, await wire.ask(method, request), ownWord.has(method));
  });
  return tally;
}

function settle(tally: Tally, method: MethodName, request: Json, code: string, isSame: boolean): void {
  const told = `${method} ${JSON.stringify(request).slice(0, 500)}`;
  if (code === 'silence') tally.unanswered += 1;
  else if (code === 'ok' && isSame) tally.same += 1;
  else if (code === 'ok' || ownFailures.has(code) || code.includes(' ')) noteFinding(tally, `${code}: ${told}`);
  else countRefused(tally, code);
}

function report(): Json {
  const lists = {
    linkCredentials: [],
    links: [],
    routes: [],
    groups: [],
    limits: [],
    topics: [],
    apps: [],
    sealed: [],
  };
  const problems = [{ code: 'E_TIMEOUT', text: 'none' }];
  return { applied: 1, sidecarVersion: '0.1.0', serverVersion: '2.15.1', problems, ...lists };
}

/** A request to the key service that was answered before it was changed. */
interface KeyBase {
  wire: ControlWire;
  method: 'key.ticket' | 'key.open' | 'key.reticket';
  make: () => Json;
}

const spelled = ['terminalId', 'topicId', 'nonce', 'ticketId', 'password'];

/** As terminals that may ask: one that seals, one that opens, one that does neither for this topic. */
export async function fuzzKeys(random: Random, bases: readonly KeyBase[], count: number): Promise<Tally> {
  const tally = newTally('key service');
  for (const { wire, method, make } of bases) {
    const code = await wire.ask(method, make());
    if (code !== 'ok') throw new BusError('E_INTERNAL', `a real ${method} is answered ${code}`);
  }
  await inWindow(count, underWay, async () => {
    const { wire, method, make } = random.pick(bases);
    const real = make();
    const request = mutateJson(random, real);
    tally.sent += 1;
    settle(tally, method, request, await wire.ask(method, request), isSameClaim(real, request));
  });
  return tally;
}

/** `messages` is a hint for the age of a key and stands in no proof. */
function isSameClaim(real: Json, request: Json): boolean {
  if (!isObject(real) || !isObject(request)) return false;
  const bytes = (text: Json | undefined): string => Buffer.from(String(text ?? ''), 'base64url').toString('hex');
  const isSpelledSame = spelled.every((key) => real[key] === request[key]);
  return isSpelledSame && ['proof', 'header'].every((key) => bytes(real[key]) === bytes(request[key]));
}

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Real requests of globex: tokyo seals, frankfurt opens and asks anew; acme's lima takes tickets too. */
export async function keyBases(world: World): Promise<KeyBase[]> {
  const [tokyo, lima, frankfurt] = [
    await ControlWire.open(world, 'tokyo'),
    await ControlWire.open(world, 'lima'),
    await ControlWire.open(world, 'frankfurt'),
  ];
  const { envelope } = await world.captured();
  const topicOf = ({ actor }: ControlWire, customer: string, topic: string): string =>
    actor.customer(customer).topics.find(({ name }) => name === topic)?.id ?? '';
  const plan = topicOf(tokyo, 'globex', 'plan');
  const { value: ticket } = await (await tokyo.actor.calls('globex')).ticket(plan);
  const asking = async (wire: ControlWire, customer: string) => {
    const keys = await wire.actor.keys(customer);
    const { terminalId } = wire.actor.customer(customer);
    return { keys, terminalId };
  };
  const ticketOf = async (wire: ControlWire, customer: string, topicId: string): Promise<KeyBase> => {
    const { keys, terminalId } = await asking(wire, customer);
    const make = (): Json => {
      const nonce = newId16();
      const proof = text(keys.sign(context.proveTicket, ticketProof({ terminalId, topicId, nonce })));
      return { terminalId, topicId, nonce: text(nonce), proof };
    };
    return { wire, method: 'key.ticket', make };
  };
  const receiver = await asking(frankfurt, 'globex');
  const open = (): Json => {
    const { terminalId, keys } = receiver;
    const nonce = newId16();
    const { ticketId } = ticket.certificate;
    const claim = openProof({ terminalId, topicId: plan, nonce, ticketId, password: ticket.password });
    const proof = text(keys.sign(context.proveOpen, claim));
    const which = { terminalId, topicId: plan, ticketId: text(ticketId), password: text(ticket.password) };
    return { ...which, nonce: text(nonce), proof };
  };
  const acme = await asking(frankfurt, 'acme');
  const reticket = (): Json => {
    const { terminalId, keys } = acme;
    const nonce = newId16();
    const { topicId, header } = envelope;
    const proof = text(keys.sign(context.proveReticket, reticketProof({ terminalId, topicId, nonce, header })));
    return { terminalId, topicId, header: text(header), nonce: text(nonce), proof };
  };
  return [
    await ticketOf(tokyo, 'globex', plan),
    await ticketOf(lima, 'acme', topicOf(lima, 'acme', 'quote')),
    { wire: frankfurt, method: 'key.open', make: open },
    { wire: frankfurt, method: 'key.reticket', make: reticket },
  ];
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
