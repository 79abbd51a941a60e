/**
 * Frames over links, from the account of a real peer: envelopes to their destination and to a site that only carries, and
 * what needs no answer (receipts, notes, routing records) to the origin.
 *
 *   tokyo ══ osaka ══ frankfurt     envelopes: osaka ▶ frankfurt, tokyo ▶ osaka     receipts, records: osaka ▶ tokyo
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { WireEnd, World } from '../attack/world.ts';
import type { Random } from '../sim/random.ts';
import { decodeFrame } from '../src/envelope/index.ts';
import { BusError } from '../src/errors.ts';
import { mutateBytes } from './mutate.ts';
import { countRefused, inWindow, newTally, noteFinding, type Tally } from './tally.ts';

/** Frames of the wire to start from, and the wire they are sent over once they are changed. */
export interface LinkWay {
  wire: WireEnd;
  bases: Buffer[];
}

const wanted = 24;
const frameAnswers = ['stored', 'busy', 'refused'] as const;
type Answer = (typeof frameAnswers)[number] | 'silence';
/** what an honest sender waits too */
const answerMs = 60_000;
const underWay = 64;
const notesAtOnce = 200;
/** `busy` says later: a ticket that has ended meanwhile is renewed first */
const againMs = 250;

/** @param token the subject's last part: f envelopes, n notes, s routing records */
export async function openWay(world: World, from: string, to: string, token: 'f' | 'n' | 's'): Promise<LinkWay> {
  const [sender, receiver] = [await world.site(from), await world.site(to)];
  const bases = await hear(await receiver.link('acme', from), token);
  return { wire: await sender.link('acme', to), bases };
}

/** Distinct ones as they come by. E_TIMEOUT when nothing does. */
function hear({ nc, in: heard }: WireEnd, token: string): Promise<Buffer[]> {
  const bases = new Map<string, Buffer>();
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      subscription.unsubscribe();
      if (bases.size > 0) resolve([...bases.values()]);
      else reject(new BusError('E_TIMEOUT', `nothing comes by on ${heard}${token}`));
    };
    // records are few: after that time whatever was heard must do
    const timer = setTimeout(end, token === 's' ? 8_000 : 20_000);
    const subscription = nc.subscribe(`${heard}${token}`, {
      callback: (_, { data }) => {
        bases.set(Buffer.from(data).toString('latin1'), Buffer.from(data));
        if (bases.size >= (token === 's' ? 2 : wanted)) end();
      },
    });
  });
}

/**
 * Envelopes, each answered. `isCarrying`: the receiver reads no more than the manifest of what it carries, so a frame with a
 * real one is taken, whatever its sealed part is; the destination refuses it.
 */
export async function fuzzEnvelopes(
  random: Random,
  { wire, bases }: LinkWay,
  { target, count, isCarrying }: { target: string; count: number; isCarrying: boolean },
): Promise<Tally> {
  const tally = newTally(target);
  const asker = new Asker(wire);
  const real = bases.map((base) => tailOf(base, isCarrying));
  for (const base of bases.slice(0, 3)) {
    const answer = await asker.ask(base);
    if (answer !== 'stored') throw new BusError('E_INTERNAL', `${target}: a real frame is answered ${answer}`);
  }
  await inWindow(count, underWay, async () => {
    const frame = mutateBytes(random, bases);
    tally.sent += 1;
    const answer = await asker.ask(frame);
    if (answer === 'silence') tally.unanswered += 1;
    else if (answer !== 'stored') countRefused(tally, answer);
    else if (real.includes(tailOf(frame, isCarrying))) tally.same += 1;
    else noteFinding(tally, `taken: ${frame.toString('hex')}`);
  });
  asker.close();
  return tally;
}

/** What of a frame its origin signed, as text to compare; empty when it is none. */
function tailOf(frame: Buffer, isManifestOnly: boolean): string {
  try {
    const decoded = decodeFrame(frame);
    if (decoded.kind === 'receipt') return Buffer.from(decoded.receipt).toString('latin1');
    if (decoded.kind === 'control') return Buffer.from(decoded.control).toString('latin1');
    const { manifest, sealed } = decoded;
    return Buffer.concat(isManifestOnly ? [manifest] : [manifest, sealed]).toString('latin1');
  } catch {
    return '';
  }
}

/** A format that the peer does not read is refused for as long as it is not upgraded: nobody asks again at once. */
function answerOf(data: Uint8Array): Answer {
  if (Buffer.from(data.subarray(1)).toString('latin1').startsWith('E_VERSION_APART')) return 'refused';
  return frameAnswers[data[0] ?? 2] ?? 'refused';
}

/** Asks as a peer's sidecar does, with replies of its own. */
class Asker {
  readonly #wire: WireEnd;
  readonly #waiting = new Map<string, (answer: Answer) => void>();
  readonly #subscription: { unsubscribe(): void };
  readonly #prefix: string;
  #serial = 0;

  constructor(wire: WireEnd) {
    this.#wire = wire;
    this.#prefix = `${wire.in}r.fuzz${process.hrtime.bigint()}.`;
    this.#subscription = wire.nc.subscribe(`${this.#prefix}>`, {
      callback: (_, { subject, data }) => this.#waiting.get(subject)?.(answerOf(data)),
    });
  }

  /** Asks again as long as the answer is `busy`, as an honest sender does. */
  async ask(frame: Uint8Array, token = 'f'): Promise<Answer> {
    const deadline = performance.now() + answerMs;
    for (;;) {
      const answer = await this.#askOnce(frame, token);
      // a hello is answered with the formats that the peer reads
      if (token === 'h' || answer !== 'busy' || performance.now() > deadline) return answer;
      await delay(againMs);
    }
  }

  #askOnce(frame: Uint8Array, token: string): Promise<Answer> {
    this.#serial += 1;
    const reply = `${this.#prefix}${this.#serial}`;
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle('silence'), answerMs);
      const settle = (answer: Answer): void => {
        clearTimeout(timer);
        this.#waiting.delete(reply);
        resolve(answer);
      };
      this.#waiting.set(reply, settle);
      this.#wire.nc.publish(`${this.#wire.out}${token}`, frame, { reply });
    });
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

/**
 * Frames that need no answer: after each handful a hello, whose answer says that all before it were read. What is not the
 * same as a real one must be in the receiver's count of refusals.
 */
export async function fuzzNotes(
  random: Random,
  { wire, bases }: LinkWay,
  options: { target: string; count: number; token: 'n' | 's'; refusals: () => Promise<number> },
): Promise<Tally> {
  const { target, count, token, refusals } = options;
  const tally = newTally(target);
  const asker = new Asker(wire);
  const isSame = token === 's' ? () => false : sameAs(bases);
  const before = await refusals();
  while (tally.sent < count) {
    const frames = Array.from({ length: Math.min(notesAtOnce, count - tally.sent) }, () => mutateBytes(random, bases));
    for (const frame of frames) wire.nc.publish(`${wire.out}${token}`, frame);
    tally.sent += frames.length;
    tally.same += frames.filter(isSame).length;
    if ((await asker.ask(Buffer.alloc(0), 'h')) === 'silence') tally.unanswered += 1;
  }
  asker.close();
  const refused = (await refusals()) - before;
  countRefused(tally, 'counted', refused);
  if (refused < tally.sent - tally.same) noteFinding(tally, `${tally.sent - tally.same - refused} were not counted`);
  return tally;
}

function sameAs(bases: readonly Buffer[]): (frame: Buffer) => boolean {
  const real = new Set(bases.map((base) => tailOf(base, false)));
  return (frame) => real.has(tailOf(frame, false));
}

/** Sum of a counter over its labels, as the site's page says. */
export async function counterAt(world: World, site: string, name: string, label = ''): Promise<number> {
  const page = await (await fetch(world.info.sites[site]?.metrics ?? '')).text();
  const lines = page.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
