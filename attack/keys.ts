/** K1 to K9 but K3 and K8: the key service and the envelope, with a genuine envelope taken off the wire. */
import { randomBytes } from 'node:crypto';
import { context, sealedParts } from '../src/envelope/index.ts';
import { deriveTerminalKeys } from '../src/keys/index.ts';
import { labClock, labKill, labStart, pidsOf } from '../src/lab/index.ts';
import { openBody, verifyCertificate, verifySealed } from '../src/sealing/open.ts';
import { bodyKey, digestOf } from '../src/sealing/seal.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { residentBytes } from './looks.ts';
import { twoKeyCiphertext } from './two-key-gcm.ts';
import { type Captured, keyCodeOf, soon, type WireEnd, type World } from './world.ts';

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
  const tries = 10_000;
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

/** Replays of one frame: by the site that carried it, over another path, after a restart, on another customer's link. */
async function replay(world: World): Promise<Outcome> {
  const { frame } = await world.captured();
  const [osaka, lima, tokyo] = [await world.site('osaka'), await world.site('lima'), await world.site('tokyo')];
  const same = await osaka.link('acme', 'frankfurt');
  const told = [`same path: ${await replayed(same, frame)}`];
  told.push(`other path: ${await replayed(await lima.link('acme', 'frankfurt'), frame)}`);
  const foreign = await replayed(await tokyo.link('initech', 'frankfurt'), frame);
  told.push(`another customer’s link: ${foreign}`);
  await labKill(world.dir, 'frankfurt', 'sidecar');
  await labStart(world.dir, 'frankfurt', 'sidecar');
  told.push(`after a restart: ${await replayed(same, frame)}`);
  const problems = told.filter((each) => each.includes('silence'));
  if (foreign.includes('stored')) problems.push('another customer’s link takes it');
  return verdict(problems, `${told.join(', ')}; what came of them is in the ledger`);
}

const frameAnswers = ['stored', 'busy', 'refused'];

/** What twenty of the same frame are answered, each answer once. */
async function replayed(wire: WireEnd, frame: Uint8Array): Promise<string> {
  const rounds = 20;
  const reply = `${wire.in}r.replay${randomBytes(4).toString('hex')}`;
  const answers: string[] = [];
  const subscription = wire.nc.subscribe(reply, {
    callback: (_, { data }) => void answers.push(frameAnswers[data[0] ?? 2] ?? 'refused'),
  });
  for (let n = 0; n < rounds; n++) wire.nc.publish(`${wire.out}f`, frame, { reply });
  const isAnswered = await soon(() => answers.length >= rounds, 30_000);
  subscription.unsubscribe();
  return [...new Set([...answers, ...(isAnswered ? [] : ['silence'])])].join(' and ');
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

export const keyAttacks: Attack[] = [
  { id: 'K1', attempt: 'one half does the other’s work', defence: 'envelope-signature', run: halves },
  {
    id: 'K2',
    attempt: 'password or proof alone, of another ticket or topic, too late',
    defence: 'password',
    run: wrongPairs,
  },
  { id: 'K4', attempt: 'every bit flipped, every cut', defence: 'envelope-signature', run: everyBit },
  { id: 'K5', attempt: 'one ciphertext valid under two keys', defence: 'commitment', run: twoKeys },
  {
    id: 'K6',
    attempt: 'an envelope replayed: same path, another, another customer’s, after a restart',
    defence: 'marker',
    run: replay,
  },
  {
    id: 'K7',
    attempt: 'the key service’s answer in another’s hands',
    defence: { note: 'it is encrypted to the other key: nothing to leave out' },
    run: answerForAnother,
  },
  {
    id: 'K9',
    attempt: 'frames that claim what they do not hold',
    defence: { note: 'limits stand at every read: test/unit/envelope/codec.test.ts' },
    run: bombs,
  },
];
