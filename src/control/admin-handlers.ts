/** What admins ask for: the declared bus, tokens, status, the audit log. */

import { formatToken } from '../api/index.ts';
import type { ResponseOf } from '../api/methods.ts';
import { busFileSchema } from '../config/bus-file.ts';
import { requireBus } from '../config/check.ts';
import { BusError } from '../errors.ts';
import {
  appendAudit,
  applyBusFile,
  bumpVersion,
  createToken,
  diffBusFile,
  exportBusFile,
  findSite,
  getBus,
  insertTrace,
  listApps,
  listAudit,
  listCustomers,
  listNames,
  listReplicas,
  listReports,
  listSites,
  listTerminals,
  lockBus,
  type Registry,
  type Replica,
  readConsistently,
  readTrace,
  type Site,
  setDraining,
  setForgotten,
  type Terminal,
  tokenLifeMs,
} from '../registry/index.ts';
import { actorOf } from './authorize.ts';
import { websocketAccess } from './certificates.ts';
import type { Handler } from './context.ts';
import { findLosses, refuseLosses } from './losses.ts';
import { joinUser } from './users.ts';

export const exportBus: Handler<'bus.export'> = ({ db }) =>
  readConsistently(db, async (trx) => ({ version: (await getBus(trx)).version, file: await exportBusFile(trx) }));

export const diffBus: Handler<'bus.diff'> = ({ db }, { request }) =>
  readConsistently(db, async (trx) => {
    const result = await diffBusFile(trx, wholeFile(request.file));
    return { ...result, losses: await findLosses(trx, result.changes) };
  });

export const applyBus: Handler<'bus.apply'> = (_, { request, caller, db }) => {
  const { base, force = false } = request;
  const actor = actorOf(caller);
  return applyBusFile(db, wholeFile(request.file), actor, {
    base,
    admit: async (trx, changes) => {
      const losses = await findLosses(trx, changes);
      if (!force) refuseLosses(losses);
      if (losses.length === 0) return;
      await appendAudit(trx, { actor, action: 'bus.apply --force', noun: 'bus', details: { losses } });
    },
  });
};

export const createJoinToken: Handler<'token.create'> = async ({ db, busId, identity }, { request, caller }) => {
  const site = await findSite(db, { name: request.site });
  if (!site) throw new BusError('E_UNKNOWN_NOUN', `there is no site ${request.site}`);
  const customerId = request.customer === undefined ? null : await customerAt(db, request.customer, site.id, site.name);
  const replicas = await answeringReplicas(db);
  const { id, secret } = await db.transaction().execute(async (trx) => {
    const token = await createToken(trx, { siteId: site.id, customerId });
    const details = { tokenId: token.id, customer: request.customer };
    await appendAudit(trx, { actor: actorOf(caller), action: 'token.create', noun: site.name, details });
    return token;
  });
  const { signKey, sealKey } = identity.keys;
  const user = await joinUser(identity.ctl, id, tokenLifeMs);
  const urls = replicas.map((replica) => replica.clientUrl);
  const websocketUrls = replicas.flatMap(({ wsUrl }) => wsUrl ?? []);
  const websocket = websocketUrls.length > 0 && { websocket: await websocketAccess(identity, id, websocketUrls) };
  const control = { urls, caPem: identity.ca.certPem, signKey, sealKey, ...websocket };
  return {
    token: formatToken({ v: 1, id, secret, busId, site: site.name, ...control, ...user }),
    expiresInMs: tokenLifeMs,
  };
};

/** Where heartbeats are late the machine is busy, but one of those that beat within the hour answers this very call. */
async function answeringReplicas(db: Registry): Promise<Replica[]> {
  const living = await listReplicas(db);
  return living.length > 0 ? living : listReplicas(db, 3_600_000);
}

export const busStatus: Handler<'bus.status'> = ({ db }) => readStatus(db);

/** What all sites last said, with the names for it. */
export function readStatus(db: Registry): Promise<ResponseOf<'bus.status'>> {
  return readConsistently(db, async (trx) => {
    const bus = await getBus(trx);
    const reports = new Map((await listReports(trx)).map((report) => [report.siteId, report]));
    const sites = await listSites(trx);
    return {
      busId: bus.id,
      version: bus.version,
      sites: sites.map(({ id, name, mode, requestKey, isRevoked }) => ({
        id,
        name,
        mode,
        state: isRevoked ? 'revoked' : requestKey === null ? 'declared' : 'joined',
        reportAgeMs: reports.get(id)?.ageMs ?? null,
        report: reports.get(id)?.report ?? null,
      })),
      names: await listNames(trx),
      replicas: (await listReplicas(trx)).map(({ id, ageMs, consoleUrl }) => ({ id, ageMs, consoleUrl })),
      draining: await listPaths(trx, ({ isDraining }) => isDraining),
      forgotten: await listPaths(trx, ({ isForgotten }) => isForgotten),
      revoked: await listRevoked(trx, sites),
    };
  });
}

export const listAuditRows: Handler<'audit.list'> = async ({ db }, { request }) => ({
  rows: await listAudit(db, request),
});

export const drainTerminal: Handler<'terminal.drain'> = async ({ db }, { request, caller }) =>
  db.transaction().execute(async (trx) => {
    const { version } = await lockBus(trx);
    const { customer, site, isDraining } = request;
    const found = await findSite(trx, { name: site });
    const customerId = await customerAt(trx, customer, found?.id ?? null, site);
    const terminal = (await listTerminals(trx, [customerId])).find((each) => each.site === site);
    if (!terminal) return { version };
    const isRemembered = !isDraining && (await setForgotten(trx, terminal.id, false));
    if (!(await setDraining(trx, terminal.id, isDraining)) && !isRemembered) return { version };
    const action = isDraining ? 'terminal.drain' : 'terminal.undrain';
    await appendAudit(trx, { actor: actorOf(caller), action, noun: `${customer}/${site}` });
    return { version: await bumpVersion(trx) };
  });

async function listRevoked(trx: Registry, sites: readonly Site[]): Promise<string[]> {
  const names = await listNames(trx);
  const path = (customerId: string, name: string): string => `${names[customerId] ?? customerId}/${name}`;
  return [
    ...sites.filter((site) => site.isRevoked).map(({ name }) => `site ${name}`),
    ...(await listTerminals(trx))
      .filter((terminal) => terminal.isRevoked)
      .map(({ customerId, site }) => `terminal ${path(customerId, site)}`),
    ...(await listApps(trx))
      .filter((app) => app.isRevoked)
      .map(({ customerId, name }) => `app ${path(customerId, name)}`),
    ...(await listCustomers(trx)).filter((each) => each.isSuspended).map(({ name }) => `customer ${name} (suspended)`),
  ];
}

/** Terminals that are so, `customer/site`. */
async function listPaths(trx: Registry, isSo: (terminal: Terminal) => boolean): Promise<string[]> {
  const names = await listNames(trx);
  return (await listTerminals(trx))
    .filter(isSo)
    .map(({ customerId, site }) => `${names[customerId] ?? customerId}/${site}`);
}

export const verifyAuditRows: Handler<'audit.verify'> = async ({ db, witness }) => {
  const verdict = await readConsistently(db, (trx) => witness.verify(trx));
  return verdict.ok ? { ...verdict, firstBadId: null, reason: null } : { ...verdict, rows: verdict.firstBadId - 1 };
};

export const startTrace: Handler<'trace.start'> = async ({ db }, { request }) => {
  const { customer, topic, from, sequence } = request;
  const found = await db
    .selectFrom('customers')
    .innerJoin('topics', 'topics.customer_id', 'customers.id')
    .innerJoin('terminals', 'terminals.customer_id', 'customers.id')
    .innerJoin('sites', 'sites.id', 'terminals.site_id')
    .select(['customers.id as customerId', 'topics.id as topicId', 'terminals.id as originId'])
    .where('customers.name', '=', customer)
    .where('topics.name', '=', topic)
    .where('sites.name', '=', from)
    .executeTakeFirst();
  if (!found)
    throw new BusError('E_UNKNOWN_NOUN', `customer ${customer} has no topic ${topic}, or no terminal at ${from}`);
  return { traceId: await db.transaction().execute((trx) => insertTrace(trx, { ...found, sequence })) };
};

export const getTrace: Handler<'trace.get'> = async ({ db }, { request }) => ({
  sites: await readTrace(db, request.traceId),
  names: await listNames(db),
});

/** Whatever made the file, it is checked as a whole here too. */
function wholeFile(file: unknown) {
  return requireBus(busFileSchema.parse(file), 'the bus');
}

async function customerAt(
  db: Parameters<typeof findSite>[0],
  customer: string,
  siteId: string | null,
  site: string,
): Promise<string> {
  const row = await db
    .selectFrom('terminals')
    .innerJoin('customers', 'customers.id', 'terminals.customer_id')
    .select('customers.id')
    .where('customers.name', '=', customer)
    .where('terminals.site_id', '=', siteId)
    .executeTakeFirst();
  if (row) return row.id;
  throw new BusError('E_UNKNOWN_NOUN', `customer ${customer} has no terminal at ${site}`);
}
