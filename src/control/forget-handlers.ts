/**
 * Gives up a terminal that will not come back: from the commit on every origin sends what that terminal has not receipted to
 * the other terminals of its groups too, and the terminal itself, should it come back, takes nothing and empties itself.
 */
import type { ForgetCost } from '../api/forget.ts';
import { silentAfterMs } from '../api/loss.ts';
import {
  appendAudit,
  bumpVersion,
  getBus,
  listGroups,
  listGroupTerminals,
  listNames,
  listReports,
  listSites,
  lockBus,
  type Registry,
  setForgotten,
  type Terminal,
} from '../registry/index.ts';
import { actorOf } from './authorize.ts';
import type { Handler } from './context.ts';
import { terminalOf } from './revoke-handlers.ts';

export const forgetTerminal: Handler<'terminal.forget'> = async (_, { request, caller, db }) => {
  const { customer, site, acceptDuplicates } = request;
  await lockBus(db);
  const terminal = await terminalOf(db, customer, site);
  const cost = await costOf(db, terminal);
  if (!acceptDuplicates) return { version: (await getBus(db)).version, isForgotten: terminal.isForgotten, cost };
  if (!(await setForgotten(db, terminal.id, true)))
    return { version: (await getBus(db)).version, isForgotten: true, cost };
  const change = { action: 'terminal.forget', noun: `${customer}/${site}`, details: { ...cost } };
  await appendAudit(db, { actor: actorOf(caller), ...change });
  return { version: await bumpVersion(db), isForgotten: true, cost };
};

async function costOf(db: Registry, terminal: Terminal): Promise<ForgetCost> {
  const names = await listNames(db);
  const groups = await listGroups(db, [terminal.customerId]);
  const served = await listGroupTerminals(db, [terminal.customerId]);
  const isAlone = (groupId: string): boolean => {
    const there = served.filter((row) => row.groupId === groupId).map(({ terminalId }) => terminalId);
    return there.length === 1 && there[0] === terminal.id;
  };
  const isTheirs = new Set(groups.map(({ id }) => id));
  const nameOf = (id: string): string => names[id] ?? id;
  const reports = await listReports(db);
  const own = reports.find(({ siteId }) => siteId === terminal.siteId);
  const held = (own?.report.groups ?? []).filter(({ groupId }) => isTheirs.has(groupId));
  const joined = (await listSites(db)).filter(({ id, requestKey }) => requestKey !== null && id !== terminal.siteId);
  const isFresh = (id: string): boolean => reports.some(({ siteId, ageMs }) => siteId === id && ageMs <= silentAfterMs);
  return {
    mayDouble: reports.flatMap(({ siteId, report }) =>
      report.groups.flatMap(({ groupId, awaited }) =>
        awaited
          .filter(({ terminalId, messages }) => terminalId === terminal.id && messages > 0)
          .map(({ messages }) => ({ group: nameOf(groupId), from: nameOf(siteId), messages })),
      ),
    ),
    held: held.reduce((sum, { pending, unacked }) => sum + pending + unacked, 0),
    reportAgeMs: own?.ageMs ?? null,
    alone: groups.filter(({ id }) => isAlone(id)).map(({ id }) => nameOf(id)),
    silent: joined.filter(({ id }) => !isFresh(id)).map(({ name }) => name),
  };
}
