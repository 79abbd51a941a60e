/**
 * Brings the registry to a declared file, all or nothing: one transaction that holds the bus's row, so two applies
 * follow each other. The file was checked as a whole before (src/config); foreign keys and CHECKs hold here in any case.
 */
import type { Change } from '../api/methods.ts';
import type { BusFile, CustomerSpec } from '../config/bus-file.ts';
import { planChanges } from '../config/plan.ts';
import { BusError } from '../errors.ts';
import { setAppRights } from './app-rights.ts';
import { syncApps } from './apps.ts';
import { appendAudit } from './audit.ts';
import { bumpVersion, lockBus } from './buses.ts';
import type { Registry } from './connection.ts';
import { syncCustomers } from './customers.ts';
import { exportBusFile } from './export.ts';
import { setGroupTerminals } from './group-terminals.ts';
import { syncGroups } from './groups.ts';
import { syncLinks } from './links.ts';
import { syncSites } from './sites.ts';
import type { Removals, SyncResult } from './sync.ts';
import { syncTerminals } from './terminals.ts';
import { syncTopics } from './topics.ts';

export interface ApplyResult {
  version: number;
  changes: Change[];
}

export interface ApplyConditions {
  /** E_BUS_CHANGED when the bus is not at that version any more */
  base?: number | undefined;
  /** looks at what would change, before anything is written; throwing refuses it */
  admit?: (trx: Registry, changes: readonly Change[]) => Promise<void>;
}

/** Nothing is written when nothing differs. */
export async function applyBusFile(
  db: Registry,
  file: BusFile,
  actor: string,
  conditions: ApplyConditions = {},
): Promise<ApplyResult> {
  if (!db.isTransaction) return db.transaction().execute((trx) => applyBusFile(trx, file, actor, conditions));
  const { base, admit } = conditions;
  const bus = await lockBus(db);
  if (base !== undefined && base !== bus.version) {
    throw new BusError('E_BUS_CHANGED', `the bus is at version ${bus.version}, the change was made for ${base}`, {
      details: { version: bus.version, base },
    });
  }
  const changes = planChanges(await exportBusFile(db), file);
  if (changes.length === 0) return { version: bus.version, changes };
  await admit?.(db, changes);
  await writeFile(db, file);
  for (const change of changes) {
    await appendAudit(db, {
      actor,
      action: `${change.noun}.${change.action}`,
      noun: change.name,
      details: { fields: change.fields },
    });
  }
  return { version: await bumpVersion(db), changes };
}

/** What apply would change. */
export async function diffBusFile(trx: Registry, file: BusFile): Promise<ApplyResult> {
  const { version } = await lockFreeVersion(trx);
  return { version, changes: planChanges(await exportBusFile(trx), file) };
}

/** Runs reads that must see one state of the registry. */
export function readConsistently<T>(db: Registry, read: (trx: Registry) => Promise<T>): Promise<T> {
  return db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(read);
}

async function lockFreeVersion(trx: Registry): Promise<{ version: number }> {
  return trx.selectFrom('buses').select('version').executeTakeFirstOrThrow();
}

async function writeFile(trx: Registry, file: BusFile): Promise<void> {
  const removals: Removals = [];
  const sites = await syncSites(trx, removals, file.sites);
  const customers = await syncCustomers(trx, removals, file.customers);
  for (const customer of file.customers) {
    await writeCustomer(trx, removals, customer, idOf(customers, customer.name), sites);
  }
  for (let remove = removals.pop(); remove; remove = removals.pop()) await remove();
}

async function writeCustomer(
  trx: Registry,
  removals: Removals,
  customer: CustomerSpec,
  customerId: string,
  sites: SyncResult,
): Promise<void> {
  const terminals = await syncTerminals(trx, removals, customerId, customer.terminals, sites);
  await syncLinks(trx, removals, customerId, customer.links, terminals);
  const topics = await syncTopics(trx, removals, customerId, customer.topics);
  const groups: SyncResult = new Map();
  for (const topic of customer.topics) {
    const topicId = idOf(topics, topic.name);
    const ids = await syncGroups(trx, removals, { customerId, topicId }, topic.groups);
    for (const group of topic.groups) {
      const groupId = idOf(ids, group.name);
      groups.set(`${topic.name}@${group.name}`, groupId);
      await setGroupTerminals(
        trx,
        { customerId, groupId },
        group.terminals.map((site) => idOf(terminals, site)),
      );
    }
  }
  const apps = await syncApps(trx, removals, customerId, customer.apps, terminals);
  for (const app of customer.apps) {
    await setAppRights(
      trx,
      { customerId, appId: idOf(apps, app.name) },
      {
        publish: app.publish.map((topic) => idOf(topics, topic)),
        consume: app.consume.map((group) => idOf(groups, group)),
        deadLetters: app.deadLetters.map((group) => idOf(groups, group)),
      },
    );
  }
}

function idOf(ids: SyncResult, name: string): string {
  const id = ids.get(name);
  if (id === undefined)
    throw new BusError('E_UNKNOWN_NOUN', `the file names ${JSON.stringify(name)}, which it does not declare`);
  return id;
}
