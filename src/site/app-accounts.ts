/**
 * Accounts of applications that are kept apart (`isolateApps`): each has one of its own at its site, without JetStream, which imports
 * from the customer's account what its rights name and nothing else. Whatever reply subject it gives to a request, the answer
 * comes back into this account, where neither JetStream's API nor another topic, group or application is. Clients need to know
 * nothing of it: nats-server has an import of its own at `$JS.API.>` in every account, so requests are mapped to
 * `$BUS.API.>` as they come in, and imported from there (docs/decisions/0017-applications-kept-apart.md).
 */
import type { SnapshotApp, SnapshotCustomer } from '../api/snapshot.ts';
import type { ServiceExport, ServiceImport } from '../trust/index.ts';
import type { SiteDir } from './dir.ts';
import { customerAccount } from './links.ts';
import { type AppDurable, type AppReach, apartApi, keepsApart } from './permissions.ts';

/**
 * For how long nats-server knows where an answer belongs. A pull is in this until its last message: without heartbeats, and
 * from a capture stream in any case, it may last that long and no longer. Each pull costs the server some 700 bytes for that time.
 */
const answerMs = 120_000;

/** Name of an application's own account in its site, as in keys/. */
export function appAccount(app: Pick<SnapshotApp, 'id'>): string {
  return `A-${app.id}`;
}

/** Public keys of the accounts that a customer's applications connect to here. */
export async function accountsOfApps(dir: SiteDir, customer: SnapshotCustomer): Promise<string[]> {
  const names = keepsApart(customer) ? customer.apps.map(appAccount) : [customerAccount(customer.id)];
  return Promise.all(names.map(async (name) => (await dir.key(name, 'account')).getPublicKey()));
}

/** What a customer's account offers to the applications that are kept apart. */
export function exportsFor(reaches: readonly AppReach[]): ServiceExport[] {
  const topics = reaches.flatMap((reach) => reach.topics).flatMap(subjectsOfTopic);
  const once = topics.map((subject): ServiceExport => ({ subject, answers: 'one', answerMs }));
  const all = [...once, ...reaches.flatMap((reach) => reach.durables).flatMap(exportsOfDurable)];
  return [...new Map(all.map((each) => [each.subject, each])).values()];
}

/** @param account public key of the customer's account */
export function importsFor(reach: AppReach, account: string): ServiceImport[] {
  const same = [...reach.topics.flatMap(subjectsOfTopic), ...reach.durables.map(({ at }) => `$JS.ACK.${at}.>`)];
  return [
    ...same.map((subject): ServiceImport => ({ account, subject, as: subject })),
    ...reach.durables
      .flatMap(requestsOf)
      .map((request): ServiceImport => ({ account, subject: `$JS.API.${request}`, as: `${apartApi}.${request}` })),
  ];
}

/** Where requests go that come in at JetStream's own subjects. */
export function mappingsFor(reach: AppReach): Record<string, string> {
  const requests = reach.durables.flatMap(requestsOf);
  return Object.fromEntries(requests.map((request) => [`$JS.API.${request}`, `${apartApi}.${request}`]));
}

function exportsOfDurable({ at, isCapture }: AppDurable): ServiceExport[] {
  return [
    { subject: `$JS.API.CONSUMER.INFO.${at}`, answers: 'one', answerMs },
    // an answer without a byte ends a stream of answers: from a capture stream that may be a message
    { subject: `$JS.API.CONSUMER.MSG.NEXT.${at}`, answers: isCapture ? 'untilLate' : 'many', answerMs },
    { subject: `$JS.ACK.${at}.>`, answers: 'one', answerMs },
  ];
}

function requestsOf({ at }: AppDurable): string[] {
  return [`CONSUMER.INFO.${at}`, `CONSUMER.MSG.NEXT.${at}`];
}

function subjectsOfTopic(name: string): string[] {
  return [name, `${name}.>`];
}
