/** What is imported into the account of an application that is kept apart, and what its customer's account exports for it. */
import { expect, it } from 'vitest';
import type { SnapshotCustomer } from '../../../src/api/snapshot.ts';
import { exportsFor, importsFor, mappingsFor } from '../../../src/site/app-accounts.ts';
import { appReach, appRights } from '../../../src/site/permissions.ts';
import { newApp, newTopic } from '../../support/sites.ts';

const [trade, note] = [newTopic('trade', ['risk', 'desk'], []), newTopic('note', ['self'], [], 'lan')];
const customer = { name: 'acme', isolateApps: true, topics: [trade, note] } as unknown as SnapshotCustomer;
const app = {
  ...newApp('clerk', ['note'], ['trade@risk', 'note@self']),
  deadLetters: [{ topic: 'trade', group: 'risk' }],
};
const durables = ['trade@risk.risk', 'note.self', 'mb-dlq-trade@risk.risk'];

it('imports its topics, and reading and acknowledging its groups, and nothing else', () => {
  const reach = appReach(customer, app, () => true);
  const imports = importsFor(reach, 'ACUSTOMER');
  const requests = durables.flatMap((at) => [`CONSUMER.INFO.${at}`, `CONSUMER.MSG.NEXT.${at}`]);
  expect(imports.map(({ subject }) => subject).sort()).toEqual(
    ['note', 'note.>', ...durables.map((at) => `$JS.ACK.${at}.>`), ...requests.map((each) => `$JS.API.${each}`)].sort(),
  );
  expect(new Set(imports.map(({ account }) => account))).toEqual(new Set(['ACUSTOMER']));
  // nothing is imported under the name that nats-server's own import has
  expect(imports.filter(({ as }) => as.startsWith('$JS.API'))).toEqual([]);
  const arriving = mappingsFor(reach);
  expect(Object.keys(arriving).sort()).toEqual(requests.map((each) => `$JS.API.${each}`).sort());
  const imported = imports.map(({ as }) => as);
  expect(Object.values(arriving).filter((to) => !imported.includes(to))).toEqual([]);
  expect(appRights(customer, app, reach).publish.allow.toSorted()).toEqual(imported.toSorted());
});

it('has each subject exported once, with an answer that an empty message of a capture stream does not end', () => {
  const reach = appReach(customer, app, () => true);
  const exports = exportsFor([reach, reach]);
  expect(exports.map(({ subject }) => subject).sort()).toEqual(
    importsFor(reach, '')
      .map(({ subject }) => subject)
      .sort(),
  );
  const answers = (at: string) => exports.find(({ subject }) => subject === `$JS.API.CONSUMER.MSG.NEXT.${at}`)?.answers;
  expect(durables.map(answers)).toEqual(['many', 'untilLate', 'many']);
});

it('leaves out what is not ready and what is not declared', () => {
  const stranger = newApp('stranger', ['trade', 'gone'], ['trade@nobody', 'gone@self', 'note@self']);
  const reach = appReach(customer, stranger, (id) => id === trade.id);
  expect(importsFor(reach, 'A').map(({ as }) => as)).toEqual(['trade', 'trade.>']);
});
