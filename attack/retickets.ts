/**
 * K3: a new password for a ticket that has ended, asked for by everybody who may not have it. Terminals of initech are revoked
 * and reported on the way, so no other case leans on them.
 */
import { randomBytes } from 'node:crypto';
import { decodeSealed, encodeSealedHeader, newId16 } from '../src/envelope/index.ts';
import { deriveTerminalKeys } from '../src/keys/index.ts';
import { labClock } from '../src/lab/index.ts';
import type { KeyCalls } from '../src/sealing/key-calls.ts';
import { type SealTicket, seal } from '../src/sealing/seal.ts';
import { type Attack, type Outcome, verdict } from './attack.ts';
import { keyCodeOf, type World } from './world.ts';

const minutes = 60_000;
const days = 24 * 60 * minutes;
const memo = { customer: 'initech', topic: 'memo' };

/** What each was told; wanted is the code of the only right answer. */
class Answers {
  readonly problems: string[] = [];
  readonly told: string[] = [];

  async note(what: string, wanted: string, asked: Promise<unknown>): Promise<void> {
    const code = await keyCodeOf(asked);
    this.told.push(`${what}: ${code}`);
    if (code !== wanted) this.problems.push(`${what}: ${code}`);
  }
}

async function retickets(world: World): Promise<Outcome> {
  const answers = new Answers();
  await byStrangers(world, answers);
  await byLeavers(world, answers);
  return verdict(answers.problems, answers.told.join(', '));
}

/** The victim's own envelope: another receiver, another header, no securekey, too old. */
async function byStrangers(world: World, answers: Answers): Promise<void> {
  const { envelope } = await world.captured();
  const [frankfurt, lima] = [await world.site('frankfurt'), await world.site('lima')];
  const receiver = await frankfurt.calls('acme');
  const nobody = await frankfurt.calls('acme', deriveTerminalKeys(randomBytes(32)));
  const ask = (calls: KeyCalls, header: Uint8Array): Promise<unknown> =>
    calls.reticket(envelope.topicId, envelope.ticketId, header);
  const other = encodeSealedHeader({ ...envelope, password: randomBytes(32) });
  await answers.note('another receiver', 'E_KEY_REFUSED', ask(await lima.calls('acme'), envelope.header));
  await answers.note('another header', 'E_KEY_REFUSED', ask(receiver, other));
  await answers.note('no securekey', 'E_KEY_REFUSED', ask(nobody, envelope.header));
  await labClock(world.dir, 8 * days);
  await answers.note('after eight days', 'E_TRANSIT_AGE', ask(receiver, envelope.header));
  await labClock(world.dir, 0);
  await answers.note('the right receiver', 'given', ask(receiver, envelope.header));
}

/** Receivers and senders that were right yesterday, and passwords that were right before. */
async function byLeavers(world: World, answers: Answers): Promise<void> {
  const [tokyo, frankfurt, lima, osaka] = [
    await world.site('tokyo'),
    await world.site('frankfurt'),
    await world.site('lima'),
    await world.site('osaka'),
  ];
  const topicId = tokyo.customer('initech').topics.find(({ name }) => name === memo.topic)?.id ?? '';
  const sender = await tokyo.calls('initech');
  const receiver = await frankfurt.calls('initech');
  const one = sealedUnder((await sender.ticket(topicId)).value);
  const renew = (calls: KeyCalls, { ticketId, header } = one): Promise<Buffer> =>
    calls.reticket(topicId, ticketId, header);
  const open = (calls: KeyCalls, password: Uint8Array): Promise<unknown> => calls.open(topicId, one.ticketId, password);

  const [stale, fresh] = [await renew(receiver), await renew(receiver)];
  await answers.note('the new password', 'given', open(receiver, fresh));
  await answers.note('the one before it', 'E_KEY_REFUSED', open(receiver, stale));
  const [leaver, revoked] = [await osaka.calls('initech'), await lima.calls('initech')];
  await answers.note('with another’s new password', 'E_KEY_REFUSED', open(leaver, fresh));
  await labClock(world.dir, 5 * minutes + 5_000);
  await answers.note('the new password late', 'E_TICKET_EXPIRED', open(receiver, fresh));
  await labClock(world.dir, 0);

  await answers.note('by one about to be revoked', 'given', renew(revoked));
  await world.admin.call('terminal.revoke', { customer: 'initech', site: 'lima', isCompromised: false });
  await answers.note('by the revoked', 'E_KEY_REFUSED', renew(revoked));
  await answers.note('by one about to leave', 'given', renew(leaver));
  await leaveGroup(world, 'osaka');
  await answers.note('by one that left the group', 'E_KEY_REFUSED', renew(leaver));

  await world.admin.call('key.rotate', memo);
  const two = sealedUnder((await sender.ticket(topicId)).value);
  await world.admin.call('key.destroy', { ...memo, epoch: one.epoch, force: true });
  await answers.note('of a destroyed version', 'E_KEY_REFUSED', renew(receiver));
  await answers.note('of the version in use', 'given', renew(receiver, two));
  await world.admin.call('terminal.revoke', { customer: 'initech', site: 'tokyo', isCompromised: true });
  await answers.note('of a compromised sender', 'E_KEY_REFUSED', renew(receiver, two));
}

/** An envelope as the sender makes it. */
function sealedUnder(ticket: SealTicket): ReturnType<typeof decodeSealed> {
  const body = Buffer.from('memo');
  return decodeSealed(seal(ticket, { body, count: 1, envelopeId: newId16(), createdMs: Date.now() }));
}

async function leaveGroup(world: World, site: string): Promise<void> {
  const { file } = await world.admin.call('bus.export', {});
  const groups = file.customers
    .filter(({ name }) => name === memo.customer)
    .flatMap(({ topics }) => topics.flatMap((topic) => topic.groups));
  for (const group of groups) group.terminals = group.terminals.filter((each) => each !== site);
  await world.admin.call('bus.apply', { file, force: true });
}

export const reticketAttacks: Attack[] = [
  {
    id: 'K3',
    attempt: 're-ticket by strangers, for another header, too old, revoked, left, destroyed, compromised, late',
    defence: ['header-check', 'ticket-today'],
    run: retickets,
  },
];
