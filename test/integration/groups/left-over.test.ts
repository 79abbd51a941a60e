/**
 *   east ══ west      nearby publishes at east; job@audit is removed and declared again,
 *                      job@work moves to west alone, topic old goes for good
 */
import { expect, test } from 'vitest';
import { labApply, labStatus } from '../../../src/lab/index.ts';
import { Ledger, logLines, publishSome, startConsumer, useBus } from '../../support/bus.ts';
import { eventually } from '../../support/nats-server.ts';

interface Declared {
  workAt: string;
  hasOld: boolean;
  hasAudit: boolean;
}

const yaml = ({ workAt, hasOld, hasAudit }: Declared): string => `
sites:
  - {name: east, mode: server, address: "east.example.net:7422"}
  - {name: west, mode: server, address: "west.example.net:7422"}
customers:
  - name: acme
    terminals: [east, west]
    links:
      - {between: [east, west]}
    topics:
      - name: job
        groups:
          - {name: work, terminals: [${workAt}], ackWaitMs: 1000}
${hasAudit ? '          - {name: audit, terminals: [east]}' : ''}
${hasOld ? '      - {name: old, groups: [{name: shelf, terminals: [east]}]}' : ''}
    apps:
      - {name: nearby,      terminal: east, publish: [job]}
      - {name: west-worker, terminal: west, consume: [job@work]}
      - {name: archivist,   terminal: east, publish: [${hasOld ? 'old' : ''}], consume: [${hasAudit ? 'job@audit' : ''}]}
`;

const first = { workAt: 'east, west', hasOld: true, hasAudit: true };
const lab = useBus(yaml(first));

test('a group that was removed is told of while its stream holds messages, and goes on with them when it is back', {
  timeout: 90_000,
}, async () => {
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/nearby', 'job.near', 50, ledger);
  await labApply(lab().dir, yaml({ ...first, hasAudit: false }), 'bus.yaml');
  await eventually('status tells of the stream', async () => {
    const { sites } = await labStatus(lab().dir);
    return sites.some(({ report }) => report?.problems.some(({ text }) => text.includes('job@audit')));
  });
  await labApply(lab().dir, yaml(first), 'bus.yaml');
  const reader = await startConsumer(lab(), 'acme/archivist', 'job@audit', ledger);
  const verdict = await ledger.settle();
  await reader.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
});

test('a group that leaves a terminal takes its backlog along; a topic takes its streams, and what is in them only by force', {
  timeout: 90_000,
}, async () => {
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/nearby', 'job.near', 1_200, ledger);
  await publishSome(lab(), 'acme/archivist', 'old.dust', 10, new Ledger());
  const west = await startConsumer(lab(), 'acme/west-worker', 'job@work', ledger);
  const smaller = yaml({ ...first, workAt: 'west', hasOld: false });
  await eventually('east reports what waits', async () => {
    const { sites, names } = await labStatus(lab().dir);
    return sites.some(({ report }) => {
      const isHandedOver = report?.topics.some(
        ({ topicId, messages }) => names[topicId] === 'acme/old' && messages === 0,
      );
      const pending = report?.groups.find(({ groupId }) => names[groupId] === 'acme/old@shelf')?.pending;
      return isHandedOver && pending === 10;
    });
  });
  const refused = labApply(lab().dir, smaller, 'bus.yaml');
  await expect(refused).rejects.toMatchObject({
    code: 'E_WOULD_LOSE',
    details: { losses: [{ site: 'east', name: 'acme/old', messages: 10 }] },
  });
  await labApply(lab().dir, smaller, 'bus.yaml', { force: true });
  await publishSome(lab(), 'acme/nearby', 'job.near', 300, ledger);
  const verdict = await ledger.settle(30_000);
  await west.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  await eventually('the streams of the topic are gone', async () => {
    const lines = await logLines(lab(), 'east', 'stream.removed');
    return ['"old"', '"old@shelf"'].every((name) => lines.some((line) => line.includes(name)));
  });
});
