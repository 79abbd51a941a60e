/**
 *   exchange ─▶ tokyo ══════ frankfurt ─▶ risk-engine      the topic's key is replaced while messages flow
 */
import { expect, test } from 'vitest';
import type { ResponseOf } from '../../../src/api/methods.ts';
import { Ledger, startConsumer, startPublisher, useBus } from '../../support/bus.ts';
import { mbus, mbusJson } from '../../support/cli.ts';
import { adminOf } from '../../support/lab.ts';
import { until } from '../../support/tcp.ts';

type Keys = ResponseOf<'key.versions'>;

const lab = useBus(`
sites:
  - {name: tokyo,     mode: server, address: "tokyo.example.net:7422"}
  - {name: frankfurt, mode: server, address: "fra.example.net:7422"}
customers:
  - name: acme
    terminals: [tokyo, frankfurt]
    links:
      - {between: [tokyo, frankfurt]}
    topics:
      - {name: trade, groups: [{name: risk, terminals: [frankfurt]}]}
    apps:
      - {name: exchange,    terminal: tokyo,     publish: [trade]}
      - {name: risk-engine, terminal: frankfurt, consume: [trade@risk]}
`);

const topic = { customer: 'acme', topic: 'trade' };

test('three rotations under load: in use within two seconds, nothing lost, nothing twice', {
  timeout: 120_000,
}, async () => {
  const ledger = new Ledger();
  const consumer = await startConsumer(lab(), 'acme/risk-engine', 'trade@risk', ledger);
  const publisher = await startPublisher(lab(), { app: 'acme/exchange', subject: 'trade.x', perSecond: 300, ledger });
  const admin = await adminOf(lab());
  await until('messages flow', () => ledger.delivered > 100, 20_000);
  for (const _ of [1, 2, 3]) {
    const startMs = performance.now();
    const { epoch } = await admin.call('key.rotate', topic);
    const inUse = async (): Promise<boolean> => {
      const { versions } = await admin.call('key.versions', topic);
      return versions[0]!.epoch === epoch && versions[0]!.liveTickets > 0;
    };
    await until(`version ${epoch} is in use`, inUse, 10_000);
    const tookMs = performance.now() - startMs;
    console.log(`version ${epoch} in use after ${Math.round(tookMs)} ms`);
    expect(tookMs).toBeLessThan(2_000);
    const seen = ledger.delivered;
    await until('messages flow on', () => ledger.delivered > seen + 100, 20_000);
  }
  const retired = await admin.call('key.versions', topic);
  expect(retired.versions.map(({ state }) => state)).toEqual(['seals', 'opens', 'opens', 'opens']);
  await publisher.stop();
  const { lost, doubled, changed } = await ledger.settle();
  console.log(`three rotations: ${ledger.acked.size} confirmed, ${lost.length} lost, ${doubled.length} doubled`);
  expect({ lost, doubled, changed }).toEqual({ lost: [], doubled: [], changed: [] });
  await until('all is counted', async () => (await sealedCount()) >= ledger.acked.size, 20_000);
  await consumer.stop();
  await admin.close();

  async function sealedCount(): Promise<number> {
    const { versions } = await admin.call('key.versions', topic);
    return versions.reduce((sum, { sealed }) => sum + sealed, 0);
  }
});

test('the verbs: keys lists them, rotate-key makes one, destroy-key asks for force', { timeout: 120_000 }, async () => {
  const dir = ['--dir', lab().dir];
  const { epoch } = await mbusJson<{ epoch: number }>(['topic', 'rotate-key', 'acme/trade', ...dir]);
  const keys = await mbusJson<Keys>(['topic', 'keys', 'acme/trade', ...dir]);
  expect(keys.versions[0]).toMatchObject({ epoch, state: 'seals' });
  expect(keys.rules).toEqual({ rotateAfterMs: 2_592_000_000, rotateAfterMessages: 1e9, destroyAfterMs: 691_200_000 });
  const refused = await mbus(['topic', 'destroy-key', 'acme/trade', '1', ...dir]);
  expect(refused).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/E_KEY_IN_USE: .*up to \d+ messages/),
  });
  const forced = await mbusJson<{ stranded: number }>(['topic', 'destroy-key', 'acme/trade', '1', '--force', ...dir]);
  expect(forced.stranded).toBeGreaterThan(0);
  expect((await mbus(['topic', 'keys', 'acme/trade', ...dir])).stdout).toMatch(/^1 +destroyed/m);
});
