/**
 * The way of a request that opened: who is it, has it been served before, then its handler.
 *
 *   once methods   nonce, work and answer in one transaction: a repeated frame gets the first answer again
 *   other admins   nonce in the database: a repeated frame is refused by every replica
 *   sites          nonce in memory: what a repeated frame does is the same as once
 */
import { type IncomingCall, ReplayWindow } from '../api/index.ts';
import { type MethodName, onceMethods, type RequestOf } from '../api/methods.ts';
import { BusError } from '../errors.ts';
import { claimNonce, keepAnswer, type Registry } from '../registry/index.ts';
import {
  applyBus,
  busStatus,
  createJoinToken,
  diffBus,
  drainTerminal,
  exportBus,
  getTrace,
  listAuditRows,
  startTrace,
  verifyAuditRows,
} from './admin-handlers.ts';
import { actorOf, type Caller } from './authorize.ts';
import { closeConsole, createCode } from './console-handlers.ts';
import type { HandlerContext, Handlers } from './context.ts';
import { forgetTerminal } from './forget-handlers.ts';
import { destroyKey, listKeys, listTicketRows, revokeTicketRows, rotateKey } from './key-handlers.ts';
import { answerLetters, getLetters, startLetters } from './letter-handlers.ts';
import { rekeyTerminal, revokeApp, revokeTerminal, revokeWholeSite, suspendCustomer } from './revoke-handlers.ts';
import {
  answerTrace,
  auditFailedJoin,
  enrolSite,
  getSnapshot,
  keyOpen,
  keyReticket,
  keyTicket,
  registerTerminal,
  renewCertificate,
  reportSite,
} from './site-handlers.ts';

const handlers: Handlers = {
  'enrol.site': enrolSite,
  'terminal.register': registerTerminal,
  'snapshot.get': getSnapshot,
  'site.report': reportSite,
  'cert.renew': renewCertificate,
  'key.ticket': keyTicket,
  'key.open': keyOpen,
  'key.reticket': keyReticket,
  'key.rotate': rotateKey,
  'key.versions': listKeys,
  'key.destroy': destroyKey,
  'ticket.list': listTicketRows,
  'ticket.revoke': revokeTicketRows,
  'terminal.revoke': revokeTerminal,
  'terminal.forget': forgetTerminal,
  'site.revoke': revokeWholeSite,
  'terminal.rekey': rekeyTerminal,
  'app.revoke': revokeApp,
  'customer.suspend': suspendCustomer,
  'bus.export': exportBus,
  'bus.diff': diffBus,
  'bus.apply': applyBus,
  'token.create': createJoinToken,
  'terminal.drain': drainTerminal,
  'bus.status': busStatus,
  'console.code': createCode,
  'console.close': closeConsole,
  'audit.list': listAuditRows,
  'audit.verify': verifyAuditRows,
  'trace.start': startTrace,
  'trace.get': getTrace,
  'site.trace': answerTrace,
  'letters.start': startLetters,
  'letters.get': getLetters,
  'letters.answer': answerLetters,
};

export class Dispatcher {
  readonly #context: HandlerContext;
  readonly #window = new ReplayWindow();

  constructor(context: HandlerContext) {
    this.#context = context;
  }

  async answer(call: IncomingCall): Promise<unknown> {
    const caller = await this.#context.authorizer.authorize(call);
    if (onceMethods.has(call.method)) return this.#answerOnce(call, caller);
    await this.#refuseRepeated(call, caller);
    return this.#handle(call, caller, this.#context.db);
  }

  #handle(call: IncomingCall, caller: Caller, db: Registry): Promise<unknown> {
    return handle(call.method, this.#context, call, caller, db);
  }

  async #answerOnce(call: IncomingCall, caller: Caller): Promise<unknown> {
    try {
      return await this.#context.db.transaction().execute(async (trx) => {
        const state = await claimNonce(trx, { nonce: call.nonce, caller: actorOf(caller), method: call.method });
        if (!state.isNew) return state.answer ?? refuseReplay(call);
        const answer = await this.#handle(call, caller, trx);
        await keepAnswer(trx, call.nonce, answer);
        return answer;
      });
    } catch (error) {
      if (call.method === 'enrol.site') await auditFailedJoin(this.#context, call, caller, error);
      throw error;
    }
  }

  async #refuseRepeated(call: IncomingCall, caller: Caller): Promise<void> {
    const isNew =
      caller.kind === 'site'
        ? this.#window.admit(call.nonce, performance.now())
        : (await claimNonce(this.#context.db, { nonce: call.nonce, caller: actorOf(caller), method: call.method }))
            .isNew;
    if (!isNew) refuseReplay(call);
  }
}

function handle<M extends MethodName>(
  method: M,
  context: HandlerContext,
  call: IncomingCall,
  caller: Caller,
  db: Registry,
): Promise<unknown> {
  // the server parsed the request by this method's schema
  return handlers[method](context, { request: call.request as RequestOf<M>, caller, call, db });
}

function refuseReplay(call: IncomingCall): never {
  throw new BusError('E_REQUEST_REPLAYED', `${call.method}: this request was served before`, {
    details: { method: call.method },
  });
}
