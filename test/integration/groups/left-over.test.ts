/**
 *   east ══ west      nearby publishes at east; job@work moves from east and west to west alone, topic old goes for good
 */
import { expect, test } from 'vitest';
import { labApply } from '../../../src/lab/index.ts';
import { Ledger, logLines, publishSome, startConsumer, useBus } from '../../support/bus.ts';
import { eventually } from '../../support/nats-server.ts';

const yaml = ({ workAt, apps, topics = '' }: { workAt: string; apps: string; topics?: string }): string => `
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
${topics}
    apps:
      - {name: nearby,      terminal: east, publish: [job]}
      - {name: west-worker, terminal: west, consume: [job@work]}
${apps}
`;

const lab = useBus(
  yaml({
    workAt: 'east, west',
    apps: '      - {name: archivist, terminal: east, publish: [old]}',
    topics: '      - {name: old, groups: [{name: shelf, terminals: [east]}]}',
  }),
);

test('a group that leaves a terminal takes its backlog along, and a topic that goes takes its streams', {
  timeout: 90_000,
}, async () => {
  const ledger = new Ledger();
  await publishSome(lab(), 'acme/nearby', 'job.near', 1_200, ledger);
  await publishSome(lab(), 'acme/archivist', 'old.dust', 10, new Ledger());
  const west = await startConsumer(lab(), 'acme/west-worker', 'job@work', ledger);
  await labApply(lab().dir, yaml({ workAt: 'west', apps: '' }), 'bus.yaml');
  await publishSome(lab(), 'acme/nearby', 'job.near', 300, ledger);
  const verdict = await ledger.settle(30_000);
  await west.stop();
  expect(verdict).toEqual({ lost: [], doubled: [], changed: [] });
  await eventually('the streams of the topic are gone', async () => {
    const lines = await logLines(lab(), 'east', 'stream.removed');
    return ['"old"', '"old@shelf"'].every((name) => lines.some((line) => line.includes(name)));
  });
});
