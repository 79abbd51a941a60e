import { describe, expect, it } from 'vitest';
import { Ledger, type LedgerMessage } from '../../../demo/ledger.ts';

function message(id: string, text: string, headers: [string, string[]][] = []): LedgerMessage {
  return { subject: 'trade.eu', headers: [['Event-Id', [id]], ...headers], payload: Buffer.from(text) };
}

function ledgerWith(...ids: string[]): Ledger {
  const ledger = new Ledger();
  ledger.addGroup('acme/trade@risk', 'trade');
  for (const id of ids) ledger.publish(id, 'trade', message(id, `payload of ${id}`));
  return ledger;
}

describe('the ledger', () => {
  it('is complete when each message arrived once and unchanged', () => {
    const ledger = ledgerWith('a', 'b');
    ledger.arrive('acme/trade@risk', message('b', 'payload of b'));
    expect(ledger.isComplete()).toBe(false);
    ledger.arrive('acme/trade@risk', message('a', 'payload of a'));
    expect(ledger.isComplete()).toBe(true);
    const whole = { expected: 2, delivered: 2, lost: 0, duplicated: 0, changed: 0 };
    expect(ledger.tallies()).toEqual({ 'acme/trade@risk': whole });
  });

  it('counts lost and doubled messages', () => {
    const ledger = ledgerWith('a', 'b', 'c');
    for (let i = 0; i < 3; i++) ledger.arrive('acme/trade@risk', message('a', 'payload of a'));
    expect(ledger.tally('acme/trade@risk')).toMatchObject({ delivered: 1, lost: 2, duplicated: 2, changed: 0 });
  });

  it('counts a change of payload, subject or application header', () => {
    const ledger = ledgerWith('a', 'b', 'c');
    ledger.arrive('acme/trade@risk', message('a', 'another payload'));
    ledger.arrive('acme/trade@risk', { ...message('b', 'payload of b'), subject: 'trade.us' });
    ledger.arrive('acme/trade@risk', message('c', 'payload of c', [['Extra', ['1']]]));
    expect(ledger.tally('acme/trade@risk').changed).toBe(3);
  });

  it('leaves transport headers and their order out of account', () => {
    const ledger = ledgerWith();
    ledger.publish('a', 'trade', message('a', 'x', [['Note', ['1', '2']]]));
    const headers: [string, string[]][] = [
      ['Mb-Time', ['now']],
      ['Note', ['1', '2']],
      ['Event-Id', ['a']],
      ['Nats-Sequence', ['9']],
    ];
    ledger.arrive('acme/trade@risk', { subject: 'trade.eu', headers, payload: Buffer.from('x') });
    expect(ledger.tally('acme/trade@risk').changed).toBe(0);
  });

  it('counts an arrival that nobody published, or of another topic, as changed', () => {
    const ledger = ledgerWith('a');
    ledger.addGroup('acme/depth@risk', 'depth');
    ledger.arrive('acme/trade@risk', message('forged', 'payload of a'));
    ledger.arrive('acme/depth@risk', message('a', 'payload of a'));
    expect(ledger.tally('acme/trade@risk')).toMatchObject({ delivered: 0, changed: 1 });
    expect(ledger.tally('acme/depth@risk').changed).toBe(1);
  });
});
