import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeSealed } from '../../../src/envelope/index.ts';
import { BusError } from '../../../src/errors.ts';
import { deriveTerminalKeys } from '../../../src/keys/index.ts';
import { silentLogger } from '../../../src/log.ts';
import { createOpener, createSealer, type Opener, type Sealer } from '../../../src/sealing/index.ts';
import { fixedBytes, ids } from '../../support/envelopes.ts';
import { MemoryKeys, settle, TestClock } from '../../support/memory-keys.ts';

const terminals = {
  [ids.origin]: deriveTerminalKeys(fixedBytes('origin', 32)),
  [ids.destination]: deriveTerminalKeys(fixedBytes('destination', 32)),
};
const topic = { id: ids.topic, strict: false, keyEpoch: null, ticketsSinceMs: null };
const body = Buffer.from('a body');
const once = { count: 1, compress: false };
const expected = { topicId: ids.topic, originId: ids.origin, ticketsSinceMs: null };
const away = new BusError('E_TIMEOUT', 'nobody answers');
const minute = 60_000;

let clock: TestClock;
let keys: MemoryKeys;
let sealer: Sealer;
let opener: Opener;

function optionsOf(terminalId: string) {
  const common = { control: keys.client, customerId: ids.customer, serviceKey: () => keys.signer.publicKey };
  return { ...common, terminalId, keys: terminals[terminalId]!, clock, log: silentLogger };
}

async function sealOne(): Promise<Buffer> {
  return (await sealer.seal(topic, body, once)).sealed;
}

const keyText = (id: Uint8Array): string => Buffer.from(id).toString('hex');
const ticketOf = (sealed: Buffer): string => keyText(decodeSealed(sealed).ticketId);

beforeEach(() => {
  clock = new TestClock();
  keys = new MemoryKeys(clock, terminals);
  sealer = createSealer(optionsOf(ids.origin));
  opener = createOpener(optionsOf(ids.destination));
});

afterEach(() => {
  sealer.stop();
  opener.stop();
});

describe('a sealer', () => {
  test('takes one ticket for a topic, however many callers wait for it', async () => {
    const sealed = await Promise.all(Array.from({ length: 20 }, sealOne));
    await sealOne();
    expect(keys.count('key.ticket')).toBe(1);
    expect(new Set(sealed.map((each) => keyText(decodeSealed(each).envelopeId))).size).toBe(20);
  });

  test('takes a ticket for each envelope of a strict topic', async () => {
    const strict = { ...topic, strict: true };
    const sealed = [await sealer.seal(strict, body, once), await sealer.seal(strict, body, once)];
    expect(keys.count('key.ticket')).toBe(2);
    expect(ticketOf(sealed[0]!.sealed)).not.toBe(ticketOf(sealed[1]!.sealed));
  });

  test('does not use a ticket of an older key version than the topic has now', async () => {
    const first = await sealOne();
    keys.epoch = 2;
    const [second, third] = await Promise.all(
      [1, 2].map(() => sealer.seal({ ...topic, keyEpoch: 2 }, body, once).then(({ sealed }) => sealed)),
    );
    expect(keys.count('key.ticket')).toBe(2);
    expect(decodeSealed(first).epoch).toBe(1);
    expect(decodeSealed(second!).epoch).toBe(2);
    expect(ticketOf(third!)).toBe(ticketOf(second!));
  });

  test('takes a new ticket after tickets were revoked, and an opener asks about the old one again', async () => {
    const first = await sealOne();
    await opener.open(first, expected);
    const revoked = { ...topic, ticketsSinceMs: clock.wallMs() };
    await clock.advance(1_000);
    const { sealed } = await sealer.seal(revoked, body, once);
    expect(ticketOf(sealed)).not.toBe(ticketOf(first));
    expect(keys.count('key.open')).toBe(1);
    const since = { ...expected, ticketsSinceMs: revoked.ticketsSinceMs };
    for (const each of [first, first, sealed]) await opener.open(each, since);
    expect(keys.count('key.open')).toBe(3);
  });

  test('tells how many messages each ticket has sealed, until a while after its end', async () => {
    await sealer.seal(topic, body, { count: 3, compress: false });
    const last = await sealer.seal(topic, body, { count: 4, compress: false });
    const ticketId = Buffer.from(decodeSealed(last.sealed).ticketId).toString('base64url');
    expect(sealer.usage()).toEqual([{ ticketId, messages: 7 }]);
    await clock.advance(6 * minute);
    expect(sealer.usage()).toEqual([]);
  });

  test('has the next ticket before the one in use ends, so that no message waits', async () => {
    const first = await sealOne();
    await clock.advance(2.4 * minute);
    expect(keys.count('key.ticket')).toBe(1);
    await clock.advance(0.2 * minute);
    let next = await sealOne();
    while (ticketOf(next) === ticketOf(first)) {
      await settle();
      next = await sealOne();
    }
    expect(keys.count('key.ticket')).toBe(2);
    keys.failure = away;
    await clock.advance(4 * minute);
    expect(ticketOf(await sealOne())).toBe(ticketOf(next));
  });

  test('lets the ticket of a topic go that nobody uses', async () => {
    await sealOne();
    await clock.advance(11 * minute);
    await settle();
    const used = keys.count('key.ticket');
    await clock.advance(20 * minute);
    expect(keys.count('key.ticket')).toBe(used);
  });

  test('goes on with its ticket while the key service is away, and stops when it ends', async () => {
    await sealOne();
    keys.failure = away;
    await clock.advance(4.5 * minute);
    await expect(sealOne()).resolves.toBeDefined();
    await clock.advance(0.5 * minute);
    await expect(sealOne()).rejects.toMatchObject({ code: 'E_KEY_AWAY', disposition: 'retry' });
    keys.failure = undefined;
    await expect(sealOne()).resolves.toBeDefined();
  });

  test('tells a refusal from an absence', async () => {
    keys.failure = new BusError('E_KEY_REFUSED', 'refused');
    await expect(sealOne()).rejects.toMatchObject({ code: 'E_KEY_REFUSED', disposition: 'park' });
  });

  test('takes no certificate of another signer', async () => {
    const foreign = new MemoryKeys(clock, terminals);
    const mistaken = createSealer({ ...optionsOf(ids.origin), control: foreign.client });
    await expect(mistaken.seal(topic, body, once)).rejects.toMatchObject({ code: 'E_KEY_REFUSED' });
    mistaken.stop();
  });
});

describe('an opener', () => {
  test('opens what was sealed, and asks once for all envelopes of a ticket', async () => {
    const sealed = await Promise.all(Array.from({ length: 20 }, sealOne));
    const opened = await Promise.all(sealed.map((each) => opener.open(each, expected)));
    for (const each of opened) expect(each).toMatchObject({ body, count: 1, createdMs: clock.wallMs() });
    expect(keys.count('key.open')).toBe(1);
  });

  test('asks for an expired ticket anew, once, and then opens all that waited', async () => {
    const sealed = await Promise.all(Array.from({ length: 10 }, sealOne));
    await clock.advance(60 * minute);
    const opened = await Promise.all(sealed.map((each) => opener.open(each, expected)));
    expect(opened.every((each) => each.body.equals(body))).toBe(true);
    expect(keys.count('key.reticket')).toBe(1);
    expect(keys.count('key.open')).toBe(2);
  });

  test('keeps a half in memory no longer than its ticket lives', async () => {
    const sealed = await sealOne();
    await opener.open(sealed, expected);
    keys.failure = away;
    await clock.advance(4.5 * minute);
    await expect(opener.open(sealed, expected)).resolves.toBeDefined();
    await clock.advance(0.5 * minute);
    await expect(opener.open(sealed, expected)).rejects.toMatchObject({ code: 'E_KEY_AWAY' });
  });

  test('does not ask again at once about a ticket it was refused, and does after a while', async () => {
    const sealed = await sealOne();
    keys.failure = new BusError('E_TRANSIT_AGE', 'too old');
    for (let index = 0; index < 5; index++) {
      await expect(opener.open(sealed, expected)).rejects.toMatchObject({ code: 'E_TRANSIT_AGE', disposition: 'park' });
    }
    expect(keys.count('key.open')).toBe(1);
    keys.failure = undefined;
    await clock.advance(6_000);
    await expect(opener.open(sealed, expected)).resolves.toMatchObject({ body });
  });

  test('asks nobody about an envelope that is not genuine', async () => {
    const sealed = await sealOne();
    sealed[sealed.length - 1]! ^= 1;
    await expect(opener.open(sealed, expected)).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
    expect(keys.count('key.open')).toBe(0);
  });

  test('refuses an envelope under another topic or origin than its manifest names', async () => {
    const sealed = await sealOne();
    for (const wrong of [{ topicId: ids.group }, { originId: ids.destination }]) {
      await expect(opener.open(sealed, { ...expected, ...wrong })).rejects.toMatchObject({ code: 'E_ENVELOPE_BAD' });
    }
  });

  test('opens after a sender started again, with two tickets side by side', async () => {
    const first = await sealOne();
    const restarted = createSealer(optionsOf(ids.origin));
    const second = await restarted.seal(topic, body, once);
    restarted.stop();
    for (const each of [first, second.sealed, first]) await opener.open(each, expected);
    expect(keys.count('key.open')).toBe(2);
  });
});
