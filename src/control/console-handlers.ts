/** What admins ask for about the console: a login code, or the end of every session. */
import { BusError } from '../errors.ts';
import {
  appendAudit,
  consoleCodeLifeMs,
  createConsoleCode,
  endConsoleSessions,
  listReplicas,
} from '../registry/index.ts';
import { actorOf } from './authorize.ts';
import type { Handler } from './context.ts';

export const createCode: Handler<'console.code'> = async ({ db }, { caller }) => {
  const urls = (await listReplicas(db)).flatMap(({ consoleUrl }) => consoleUrl ?? []);
  if (urls.length === 0) throw new BusError('E_CONSOLE_OFF', 'no replica of this control plane serves the console');
  const actor = actorOf(caller);
  const code = await db.transaction().execute(async (trx) => {
    await appendAudit(trx, { actor, action: 'console.code', noun: 'console' });
    return createConsoleCode(trx, actor);
  });
  return { code, urls, expiresInMs: consoleCodeLifeMs };
};

export const closeConsole: Handler<'console.close'> = ({ db }, { caller }) =>
  db.transaction().execute(async (trx) => {
    const sessions = await endConsoleSessions(trx);
    const details = { sessions };
    await appendAudit(trx, { actor: actorOf(caller), action: 'console.close', noun: 'console', details });
    return { sessions };
  });
