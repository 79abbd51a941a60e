/**
 * What sites ask for: joining, registering their terminals, their snapshot, reporting. A site acts for its own terminals
 * only; naming another's is refused and audited.
 */
import { isDeepStrictEqual } from 'node:util';
import { type IncomingCall, isRegistrationProven } from '../api/index.ts';
import type { RequestOf } from '../api/methods.ts';
import type { FormatRange } from '../envelope/index.ts';
import { BusError, isBusError } from '../errors.ts';
import {
  appendAudit,
  bumpVersion,
  findSite,
  findTerminal,
  getBus,
  listLetterTasks,
  listLinks,
  listTerminals,
  listTraces,
  lockBus,
  orderEnds,
  putTraceHops,
  type Registry,
  type Site,
  setLinkCredential,
  setSiteFormats,
  setSiteKeys,
  setTerminalKeys,
  storeReport,
  type Terminal,
  takeToken,
} from '../registry/index.ts';
import { isPublicKey, readJwt } from '../trust/index.ts';
import { actorOf, type Caller } from './authorize.ts';
import { issueSiteCertificate } from './certificates.ts';
import type { Handler, HandlerCall, HandlerContext } from './context.ts';
import { siteUserJwt } from './users.ts';

/** of a build from before formats were told of */
const oldestFormats: FormatRange = { min: 1, max: 1 };

export const enrolSite: Handler<'enrol.site'> = async (context, { request, caller, call, db }) => {
  const { identity, busId } = context;
  if (request.siteKey !== call.key || !isPublicKey('user', request.controlUser)) {
    throw await context.authorizer.refuse(call, caller, 'enrol.site: the keys are not those of the caller');
  }
  const token = await takeToken(db, request.token);
  if (token.customerId !== null) {
    throw new BusError('E_TOKEN_UNKNOWN', 'this token registers a terminal; a site joins with mbus site token');
  }
  const site = await siteOf(db, token.siteId);
  const certPem = await issueSiteCertificate(db, identity, site, request.csrPem);
  await setSiteKeys(db, site.id, { requestKey: request.siteKey, controlUser: request.controlUser });
  await appendAudit(db, {
    actor: `token:${token.id}`,
    action: 'site.join',
    noun: site.name,
    details: { siteKey: request.siteKey },
  });
  const { leafUrls } = await controlUrls(db);
  const { signKey, sealKey } = identity.keys;
  return {
    busId,
    siteId: site.id,
    site: site.name,
    certPem,
    controlUserJwt: await siteUserJwt(identity.ctl, site, request.controlUser),
    control: { leafUrls, signKey, sealKey, caPem: identity.ca.certPem },
    servers: site.servers,
  };
};

export const registerTerminal: Handler<'terminal.register'> = async (context, handled) => {
  const { request, caller, call } = handled;
  const terminal = await ownTerminal(context, handled, request.terminalId);
  if (!isRegistrationProven(request, request.proof) || !isPublicKey('user', request.linkUser)) {
    throw await context.authorizer.refuse(call, caller, 'terminal.register: the proof does not fit the keys');
  }
  return context.db.transaction().execute(async (trx) => {
    const { version } = await lockBus(trx);
    const stored = await findTerminal(trx, terminal.id);
    if (!stored) throw gone(terminal.id);
    if (hasKeys(stored, request) && !stored.isRevoked) return { version };
    if (stored.signKey !== null && !mayRekey(stored, request)) await takeTerminalToken(trx, stored, request.token);
    await setTerminalKeys(trx, terminal.id, request);
    const details = { signKey: request.signKey, linkUser: request.linkUser, isAgain: stored.signKey !== null };
    await appendAudit(trx, { actor: actorOf(caller), action: 'terminal.register', noun: terminal.id, details });
    return { version: await bumpVersion(trx) };
  });
};

export const getSnapshot: Handler<'snapshot.get'> = async (context, { request, caller }) => {
  const site = siteCaller(caller);
  const { version } = await getBus(context.db);
  if (request.have === version) return { version, snapshot: null, signature: null };
  const signed = await context.snapshots.get(site.id, version);
  return { version: signed.version, snapshot: signed.text, signature: signed.signature };
};

export const reportSite: Handler<'site.report'> = async (context, { request, caller, call }) => {
  const site = siteCaller(caller);
  await storeReport(context.db, site.id, request, call.atMs);
  await context.keyService.noteSealed(site.id, request.sealed ?? []);
  const formats = await storeFormats(context, site, request.formats ?? oldestFormats);
  const version = (await storeCredentials(context, site, request.linkCredentials)) ?? formats;
  return {
    version: version ?? (await getBus(context.db)).version,
    traces: await listTraces(context.db, site.id),
    letterTasks: await listLetterTasks(context.db, site.id),
  };
};

export const answerTrace: Handler<'site.trace'> = async ({ db }, { request, caller }) => ({
  isAsked: await putTraceHops(db, siteCaller(caller).id, request),
});

export const renewCertificate: Handler<'cert.renew'> = async ({ db, identity }, { request, caller }) => {
  const site = siteCaller(caller);
  const certPem = await issueSiteCertificate(db, identity, site, request.csrPem);
  await appendAudit(db, { actor: actorOf(caller), action: 'cert.renew', noun: site.name });
  return { certPem, caPem: identity.ca.certPem };
};

export const keyTicket: Handler<'key.ticket'> = async ({ keyService }, { request, caller }) =>
  keyService.ticket(siteCaller(caller).id, request);

export const keyOpen: Handler<'key.open'> = async ({ keyService }, { request, caller }) =>
  keyService.open(siteCaller(caller).id, request);

export const keyReticket: Handler<'key.reticket'> = async ({ keyService }, { request, caller }) =>
  keyService.reticket(siteCaller(caller).id, request);

export function siteCaller(caller: Caller): Site {
  if (caller.kind === 'site') return caller.site;
  throw new BusError('E_INTERNAL', 'a method for sites was reached by another caller');
}

async function siteOf(db: Registry, id: string): Promise<Site> {
  const site = await findSite(db, { id });
  if (!site) throw new BusError('E_UNKNOWN_NOUN', 'the site of this token is not part of the bus any more');
  return site;
}

async function controlUrls(db: Registry): Promise<{ leafUrls: string[] }> {
  return { leafUrls: (await getBus(db)).replicaSet.split(' ').filter(Boolean) };
}

async function ownTerminal<M extends 'terminal.register'>(
  context: HandlerContext,
  { caller, call, db }: HandlerCall<M>,
  id: string,
): Promise<Terminal> {
  const terminal = await findTerminal(db, id);
  if (terminal && terminal.siteId === siteCaller(caller).id) return terminal;
  // whether it exists elsewhere is none of the caller's business
  if (terminal) throw await context.authorizer.refuse(call, caller, `terminal ${id} is not one of this site`);
  throw gone(id);
}

function gone(terminalId: string): BusError {
  return new BusError('E_UNKNOWN_NOUN', `terminal ${terminalId} is not part of the bus`, { details: { terminalId } });
}

function hasKeys(stored: Terminal, keys: { signKey: string; wrapKey: string; linkUser: string }): boolean {
  return stored.signKey === keys.signKey && stored.wrapKey === keys.wrapKey && stored.linkUser === keys.linkUser;
}

/** An operator asked the terminal to replace its keys, and it holds the old ones. */
function mayRekey({ isRekeyWanted, isRevoked, signKey }: Terminal, request: RequestOf<'terminal.register'>): boolean {
  if (!isRekeyWanted || isRevoked || signKey === null || request.oldProof === undefined) return false;
  return isRegistrationProven({ ...request, provenBy: signKey }, request.oldProof);
}

async function takeTerminalToken(trx: Registry, terminal: Terminal, secret: string | undefined): Promise<void> {
  if (secret === undefined) {
    throw new BusError(
      'E_TERMINAL_REGISTERED',
      `terminal ${terminal.id} at ${terminal.site} is registered with other keys`,
      {
        details: { terminalId: terminal.id },
      },
    );
  }
  const token = await takeToken(trx, secret);
  if (token.siteId === terminal.siteId && token.customerId === terminal.customerId) return;
  throw new BusError('E_TOKEN_UNKNOWN', 'this token is not for this terminal', { details: { tokenId: token.id } });
}

/** Tells the others of a build that reads other formats; the new version when it does. */
async function storeFormats({ db }: HandlerContext, site: Site, formats: FormatRange): Promise<number | undefined> {
  if (isDeepStrictEqual(formats, site.formats)) return undefined;
  return db.transaction().execute(async (trx) => {
    await lockBus(trx);
    await setSiteFormats(trx, site.id, formats);
    const details = { min: formats.min, max: formats.max };
    await appendAudit(trx, { actor: `site:${site.id}`, action: 'site.formats', noun: site.name, details });
    return bumpVersion(trx);
  });
}

/** Keeps credentials this site issued for those who dial it; the new version when one was new. */
async function storeCredentials(
  { db, log }: HandlerContext,
  site: Site,
  credentials: readonly { linkId: string; userJwt: string }[],
): Promise<number | undefined> {
  if (credentials.length === 0) return undefined;
  const dialers = await dialersOf(db, site);
  const fresh = credentials.filter(({ linkId, userJwt }) => {
    const dialer = dialers.get(linkId);
    const isFor = dialer?.linkUser !== null && readJwt(userJwt)?.subject === dialer?.linkUser;
    if (!isFor) log.debug({ event: 'report.stale-credential', site: site.name, linkId }, 'a credential fits no link');
    return isFor && dialer?.userJwt !== userJwt;
  });
  if (fresh.length === 0) return undefined;
  return db.transaction().execute(async (trx) => {
    await lockBus(trx);
    const changed: string[] = [];
    for (const { linkId, userJwt } of fresh) {
      const linkUser = dialers.get(linkId)?.linkUser;
      if (linkUser && (await setLinkCredential(trx, linkId, userJwt, linkUser))) changed.push(linkId);
    }
    return changed.length > 0 ? bumpVersion(trx) : undefined;
  });
}

/** The dialling ends of links that this site accepts, with the credential stored for each. */
async function dialersOf(
  db: Registry,
  site: Site,
): Promise<Map<string, { linkUser: string | null; userJwt: string | null }>> {
  const own = await db.selectFrom('terminals').select('customer_id').where('site_id', '=', site.id).execute();
  const customers = own.map((row) => row.customer_id);
  if (customers.length === 0) return new Map();
  const terminals = new Map((await listTerminals(db, customers)).map((terminal) => [terminal.id, terminal]));
  const links = await listLinks(db, customers);
  return new Map(
    links.flatMap((link) => {
      const [a, b] = [terminals.get(link.a), terminals.get(link.b)];
      if (!a || !b) return [];
      const { dialer, acceptor } = orderEnds(a, b);
      return acceptor.siteId === site.id ? [[link.id, { linkUser: dialer.linkUser, userJwt: link.userJwt }]] : [];
    }),
  );
}

/** Audits a join that failed; its transaction left nothing. */
export async function auditFailedJoin(
  { authorizer }: HandlerContext,
  call: IncomingCall,
  caller: Caller,
  error: unknown,
): Promise<void> {
  if (!isBusError(error, 'E_TOKEN_UNKNOWN', 'E_TOKEN_USED', 'E_TOKEN_EXPIRED', 'E_CSR')) return;
  await authorizer.refuse(call, caller, `${error.code}: ${error.message}`);
}
