/**
 * What admins ask for when somebody must be let in no more. One transaction each: the rows, the audit entry and the bus's new
 * version, of which every site hears at once. The key service reads the rows with each request, so it refuses from the commit on.
 */
import { BusError } from '../errors.ts';
import {
  appendAudit,
  bumpVersion,
  findSite,
  getBus,
  listApps,
  listCustomers,
  listReports,
  listTerminals,
  lockBus,
  type Registry,
  reportCompromised,
  revokeSite,
  revokeTerminals,
  setAppCredential,
  setSuspended,
  type Terminal,
  wantRekey,
} from '../registry/index.ts';
import { actorOf, type Caller } from './authorize.ts';
import type { Handler } from './context.ts';

const rekeyForMs = 15 * 60_000;

export const revokeTerminal: Handler<'terminal.revoke'> = async (_, { request, caller, db }) => {
  const { customer, site, isCompromised } = request;
  await lockBus(db);
  const terminal = await terminalOf(db, customer, site);
  const waiting = await waitingAt(db, [terminal]);
  const isNew = await revokeTerminals(db, [terminal.id]);
  if (isCompromised) await reportCompromised(db, [terminal.id]);
  const change = { action: 'terminal.revoke', noun: `${customer}/${site}`, details: { isCompromised, waiting } };
  return { version: await commit(db, caller, change, isNew || isCompromised), waiting };
};

export const revokeWholeSite: Handler<'site.revoke'> = async (_, { request, caller, db }) => {
  const { site: name, isCompromised } = request;
  await lockBus(db);
  const site = await findSite(db, { name });
  if (!site) throw new BusError('E_UNKNOWN_NOUN', `there is no site ${name}`);
  const terminals = (await listTerminals(db)).filter(({ siteId }) => siteId === site.id);
  const ids = terminals.map(({ id }) => id);
  const waiting = await waitingAt(db, terminals);
  const isNew = await revokeSite(db, site.id);
  const hasTerminals = await revokeTerminals(db, ids);
  if (isCompromised) await reportCompromised(db, ids);
  const details = { isCompromised, waiting, terminals: ids.length };
  const change = { action: 'site.revoke', noun: name, details };
  return { version: await commit(db, caller, change, isNew || hasTerminals || isCompromised), waiting };
};

export const rekeyTerminal: Handler<'terminal.rekey'> = async (_, { request, caller, db }) => {
  const { customer, site } = request;
  await lockBus(db);
  const { id, signKey, isRevoked } = await terminalOf(db, customer, site);
  if (isRevoked) {
    const way = 'register it anew with mbus terminal token and mbus terminal join';
    throw new BusError('E_REVOKED', `terminal ${customer}/${site} is revoked: ${way}`);
  }
  await wantRekey(db, id, rekeyForMs);
  const change = { action: 'terminal.rekey', noun: `${customer}/${site}`, details: { signKey } };
  return { version: await commit(db, caller, change, true), signKey };
};

export const revokeApp: Handler<'app.revoke'> = async (_, { request, caller, db }) => {
  const { customer, app: name, isRenewed } = request;
  await lockBus(db);
  const apps = await listApps(db, [(await customerOf(db, customer)).id]);
  const app = apps.find((each) => each.name === name);
  if (!app) throw new BusError('E_UNKNOWN_NOUN', `there is no app ${customer}/${name}`);
  const isNew = isRenewed || !app.isRevoked;
  if (isNew) await setAppCredential(db, app.id, isRenewed);
  const action = isRenewed ? 'app.renew' : 'app.revoke';
  return { version: await commit(db, caller, { action, noun: `${customer}/${name}`, details: {} }, isNew) };
};

export const suspendCustomer: Handler<'customer.suspend'> = async (_, { request, caller, db }) => {
  const { customer: name, isSuspended } = request;
  await lockBus(db);
  const { id } = await customerOf(db, name);
  const waiting = await waitingAt(db, await listTerminals(db, [id]));
  const isNew = await setSuspended(db, id, isSuspended);
  const action = isSuspended ? 'customer.suspend' : 'customer.resume';
  return { version: await commit(db, caller, { action, noun: name, details: { waiting } }, isNew), waiting };
};

async function commit(
  trx: Registry,
  caller: Caller,
  change: { action: string; noun: string; details: Record<string, unknown> },
  isNew: boolean,
): Promise<number> {
  if (!isNew) return (await getBus(trx)).version;
  await appendAudit(trx, { actor: actorOf(caller), ...change });
  return bumpVersion(trx);
}

/** Messages in the terminals' capture and group streams, as their sites last said. */
async function waitingAt(db: Registry, terminals: readonly Terminal[]): Promise<number> {
  const customerIds = new Set(terminals.map(({ customerId }) => customerId));
  const siteIds = new Set(terminals.map(({ siteId }) => siteId));
  const topics = await db.selectFrom('topics').select(['id', 'customer_id']).execute();
  const isTheirs = new Set(topics.filter((row) => customerIds.has(row.customer_id)).map((row) => row.id));
  let waiting = 0;
  for (const { siteId, report } of await listReports(db)) {
    if (!siteIds.has(siteId)) continue;
    for (const row of report.topics) if (isTheirs.has(row.topicId)) waiting += row.messages;
    for (const row of report.groups) if (isTheirs.has(row.topicId)) waiting += row.pending + row.unacked;
  }
  return waiting;
}

async function customerOf(db: Registry, name: string): Promise<{ id: string }> {
  const found = (await listCustomers(db)).find((customer) => customer.name === name);
  if (found) return found;
  throw new BusError('E_UNKNOWN_NOUN', `there is no customer ${name}`);
}

/** E_UNKNOWN_NOUN */
export async function terminalOf(db: Registry, customer: string, site: string): Promise<Terminal> {
  const { id } = await customerOf(db, customer);
  const found = (await listTerminals(db, [id])).find((terminal) => terminal.site === site);
  if (found) return found;
  throw new BusError('E_UNKNOWN_NOUN', `customer ${customer} has no terminal at ${site}`);
}
