/** K1 to K9: the key service and the envelope, with a genuine envelope taken off the wire. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { context, encodeSealedHeader, sealedParts } from '../src/envelope/index.ts';
import { deriveTerminalKeys } from '../src/keys/index.ts';
import { labClock, pidsOf } from '../src/lab/index.ts';
import { openBody, verifyCertificate, verifySealed } from '../src/sealing/open.ts';
import { bodyKey, digestOf } from '../src/sealing/seal.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { twoKeyCiphertext } from './two-key-gcm.ts';
import { type Captured, codeOf, keyCodeOf, soon, type World } from './world.ts';

const bits = 8;

async function verifierOf(world: World, { envelope }: Captured): Promise<(bytes: Uint8Array) => void> {
  const { snapshot } = await world.site('osaka');
  const expected = { customerId: envelope.customerId, topicId: envelope.topicId, originId: envelope.senderId };
  return (bytes) => {
    verifySealed(bytes, expected, (encoded) => verifyCertificate(encoded, snapshot.control.signKey));
  };
}

function refuses(work: () => void): boolean {
  try {
    work();
    return false;
  } catch {
    return true;
  }
}

async function halves(world: World): Promise<Outcome> {
  const captured = await world.captured();
  const { envelope } = captured;
  const verify = await verifierOf(world, captured);
  const problems: string[] = [];
  const tries = 2_000;
  for (let n = 0; n < tries && problems.length === 0; n++) {
    // all that the holder of the sealing half has besides: nothing that exports the secret
    if (!refuses(() => openBody(envelope, randomBytes(32)))) problems.push('opened by a guess');
    const forged = Buffer.concat([envelope.signed, randomBytes(64)]);
    if (!refuses(() => verify(forged))) problems.push('sealed by a guess');
  }
  return verdict(problems, `${tries} guesses each way refused`);
}

async function wrongPairs(world: World): Promise<Outcome> {
  const [tokyo, frankfurt] = [await world.site('tokyo'), await world.site('frankfurt')];
  const topics = tokyo.customer('acme').topics;
  const idOf = (name: string): string => topics.find((topic) => topic.name === name)?.id ?? '';
  const sender = await tokyo.calls('acme');
  const [one, two] = [(await sender.ticket(idOf('trade'))).value, (await sender.ticket(idOf('trade'))).value];
  const foreign = (await sender.ticket(idOf('quote'))).value;
  const receiver = await frankfurt.calls('acme');
  const stranger = await frankfurt.calls('acme', deriveTerminalKeys(randomBytes(32)));
  const open = (calls: typeof receiver, ticket: typeof one, password: Uint8Array): Promise<string> =>
    keyCodeOf(calls.open(idOf('trade'), ticket.certificate.ticketId, password));
  const tried = {
    'password alone': await open(stranger, one, one.password),
    'proof alone': await open(receiver, one, randomBytes(32)),
    'password of another ticket': await open(receiver, one, two.password),
    'ticket of another topic': await open(receiver, foreign, foreign.password),
  };
  // all alike from outside
  const problems = Object.entries(tried).flatMap(([what, code]) =>
    code === 'E_KEY_REFUSED' ? [] : [`${what}: ${code}`],
  );
  if ((await open(receiver, one, one.password)) !== 'given') problems.push('the right pair opens nothing');
  await labClock(world.dir, 5 * 60_000 + 5_000);
  const late = await open(receiver, one, one.password);
  await labClock(world.dir, 0);
  if (late !== 'E_TICKET_EXPIRED') problems.push(`after its end: ${late}`);
  return verdict(problems, `4 wrong pairs refused, after five minutes: ${late}`);
}

async function reticket(world: World): Promise<Outcome> {
  const { envelope } = await world.captured();
  const [frankfurt, lima] = [await world.site('frankfurt'), await world.site('lima')];
  const receiver = await frankfurt.calls('acme');
  const ask = (calls: typeof receiver, header: Uint8Array): Promise<string> =>
    codeOf(calls.reticket(envelope.topicId, envelope.ticketId, header));
  const other = encodeSealedHeader({ ...envelope, password: randomBytes(32) });
  const tried = {
    'another receiver': await ask(await lima.calls('acme'), envelope.header),
    'another header': await ask(receiver, other),
    'no securekey': await ask(await frankfurt.calls('acme', deriveTerminalKeys(randomBytes(32))), envelope.header),
  };
  const problems = Object.entries(tried).flatMap(([what, code]) => (code === 'given' ? [what] : []));
  await labClock(world.dir, 8 * 24 * 3_600_000);
  const old = await ask(receiver, envelope.header);
  await labClock(world.dir, 0);
  if (old === 'given') problems.push('past maxTransitAge');
  if ((await ask(receiver, envelope.header)) !== 'given') problems.push('the right receiver gets none');
  return verdict(problems, `${Object.values(tried).join(', ')}; after eight days: ${old}`);
}

async function everyBit(world: World): Promise<Outcome> {
  const captured = await world.captured();
  const verify = await verifierOf(world, captured);
  const { sealed } = captured;
  verify(sealed);
  let taken = 0;
  for (let bit = 0; bit < sealed.length * bits; bit++) {
    const flipped = Buffer.from(sealed);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    if (!refuses(() => verify(flipped))) taken += 1;
  }
  for (let size = 0; size < sealed.length; size++) if (!refuses(() => verify(sealed.subarray(0, size)))) taken += 1;
  return verdict(
    taken > 0 ? [`${taken} altered ones were taken`] : [],
    `${sealed.length * bits} flipped bits and ${sealed.length} cuts refused`,
  );
}

/** A body that AES-256-GCM takes under two keys; the envelope commits to one of them. */
async function twoKeys(world: World): Promise<Outcome> {
  const { envelope } = await world.captured();
  const secrets = [randomBytes(32), randomBytes(32)];
  const [one, two] = secrets.map((secret) => bodyKey(secret, envelope.envelopeId, envelope.header));
  if (one === undefined || two === undefined) return verdict(['no keys'], '');
  const ciphertext = twoKeyCiphertext([one.key, two.key], envelope.header, 8);
  const forged = { ...envelope, isCompressed: false, ciphertext, commitment: one.commitment };
  const opens = secrets.map((secret) => !refuses(() => openBody(forged, secret)));
  const problems = opens[0] ? [] : ['it opens not with the key it commits to'];
  if (opens[1]) problems.push('it opens with the other key too');
  return verdict(problems, 'valid under both, opened by the one it commits to alone');
}

/** Replays: the same frame again and again, from the site that carried it. */
async function replay(world: World): Promise<Outcome> {
  const { frame } = await world.captured();
  const wire = await (await world.site('osaka')).link('acme', 'frankfurt');
  let answers = 0;
  wire.nc.subscribe(`${wire.in}r.replay`, { callback: () => void answers++ });
  const rounds = 20;
  for (let n = 0; n < rounds; n++) wire.nc.publish(`${wire.out}f`, frame, { reply: `${wire.in}r.replay` });
  await wire.nc.flush();
  const isAnswered = await soon(() => answers >= rounds, 20_000);
  return verdict(
    isAnswered ? [] : [`${answers} of ${rounds} answered`],
    `${rounds} replays answered, what came of them is in the ledger`,
  );
}

async function answerForAnother(world: World): Promise<Outcome> {
  const [tokyo, osaka] = [await world.site('tokyo'), await world.site('osaka')];
  const topicId = tokyo.customer('acme').topics.find(({ name }) => name === 'trade')?.id ?? '';
  // the request is signed by tokyo's key, the answer is unwrapped by another's
  const [mine, theirs] = [await tokyo.keys('acme'), await osaka.keys('acme')];
  const unwrapping = await tokyo.calls('acme', {
    ...theirs,
    signKey: mine.signKey,
    sign: mine.sign,
    unwrap: theirs.unwrap.bind(theirs),
  } as typeof mine);
  const code = await keyCodeOf(unwrapping.ticket(topicId));
  return verdict(code === 'unfit' ? [] : [`another’s answer: ${code}`], 'given to another it does not unwrap');
}

async function floodKeys(world: World): Promise<Outcome> {
  const [osaka, tokyo] = [await world.site('osaka'), await world.site('tokyo')];
  const topicId = tokyo.customer('acme').topics.find(({ name }) => name === 'trade')?.id ?? '';
  const calls = await osaka.calls('acme');
  const codes = new Map<string, number>();
  const guesses = 4_000;
  // few enough for a slow machine to answer each in time
  const atOnce = 50;
  const startMs = performance.now();
  for (let sent = 0; sent < guesses; sent += atOnce) {
    const batch = await Promise.all(
      Array.from({ length: atOnce }, () => codeOf(calls.open(topicId, randomBytes(16), randomBytes(32)))),
    );
    for (const code of batch) codes.set(code, (codes.get(code) ?? 0) + 1);
    if ((codes.get('E_KEY_BUSY') ?? 0) > 100) break;
  }
  const problems = codes.has('given') ? ['a guess was right'] : [];
  const asked = [...codes.values()].reduce((sum, count) => sum + count, 0);
  const perSecond = Math.round((asked * 1_000) / (performance.now() - startMs));
  const told = [...codes].map(([code, count]) => `${count} ${code}`).join(', ');
  // wrong ones may come ten a second after the first two hundred
  if (!codes.has('E_KEY_BUSY')) problems.push(`the limit was not met by ${told} at ${perSecond} a second`);
  const other = await codeOf((await tokyo.calls('acme')).ticket(topicId));
  if (other !== 'given') problems.push(`another terminal gets ${other}`);
  return verdict(problems, `${told}; another terminal is served`);
}

async function bombs(world: World): Promise<Outcome> {
  const { envelope } = await world.captured();
  const wire = await (await world.site('osaka')).link('acme', 'frankfurt');
  const [pid = 0] = await pidsOf(world.dir, 'frankfurt', 'sidecar');
  const before = await residentBytes(pid);
  const claims = [
    Buffer.concat([Buffer.of(1, 1, 9), Buffer.from('ffffffff0f', 'hex'), randomBytes(64)]),
    Buffer.concat([Buffer.of(1, 1, 9, 0, 0, 0), Buffer.from('ffffffffffffff0f', 'hex')]),
    Buffer.concat([Buffer.of(1, 3, 9, 0, 0, 0), Buffer.from('ffff03', 'hex'), Buffer.alloc(65_535, 1)]),
    Buffer.from('['.repeat(1_000)),
    Buffer.concat([...sealedParts(envelope.header, envelope.commitment, [Buffer.alloc(1_000)]), digestOf([])]),
    Buffer.from(context.manifest),
  ];
  let answers = 0;
  wire.nc.subscribe(`${wire.in}r.bomb`, { callback: () => void answers++ });
  for (let n = 0; n < 50; n++)
    for (const bytes of claims) wire.nc.publish(`${wire.out}f`, bytes, { reply: `${wire.in}r.bomb` });
  await wire.nc.flush();
  const isAnswered = await soon(() => answers >= 50 * claims.length, 20_000);
  const grown = (await residentBytes(pid)) - before;
  const problems = isAnswered ? [] : [`${answers} of ${50 * claims.length} answered`];
  if (grown > 128 * 1024 * 1024) problems.push(`${Math.round(grown / 1e6)} MB more memory`);
  return verdict(problems, `${answers} frames refused, ${Math.round(Math.max(0, grown) / 1e6)} MB more memory`);
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

export const keyAttacks: Attack[] = [
  { id: 'K1', attempt: 'one half does the other’s work', defence: 'envelope-signature', run: halves },
  {
    id: 'K2',
    attempt: 'password or proof alone, of another ticket or topic, too late',
    defence: 'password',
    run: wrongPairs,
  },
  { id: 'K3', attempt: 're-ticket by another, for another header, too old', defence: 'header-check', run: reticket },
  { id: 'K4', attempt: 'every bit flipped, every cut', defence: 'envelope-signature', run: everyBit },
  { id: 'K5', attempt: 'one ciphertext valid under two keys', defence: 'commitment', run: twoKeys },
  { id: 'K6', attempt: 'an envelope replayed', defence: 'marker', run: replay },
  {
    id: 'K7',
    attempt: 'the key service’s answer in another’s hands',
    defence: { note: 'it is encrypted to the other key: nothing to leave out' },
    run: answerForAnother,
  },
  { id: 'K8', attempt: 'guesses at the key service', defence: 'rate-limit', run: floodKeys },
  {
    id: 'K9',
    attempt: 'frames that claim what they do not hold',
    defence: { note: 'limits stand at every read: test/unit/envelope/codec.test.ts' },
    run: bombs,
  },
];
