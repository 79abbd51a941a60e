/** What the handlers of the control API work with. */
import type { IncomingCall } from '../api/index.ts';
import type { MethodName, RequestOf, ResponseOf } from '../api/methods.ts';
import type { KeyService, VersionContext } from '../keys/service.ts';
import type { Logger } from '../log.ts';
import type { Registry } from '../registry/index.ts';
import type { AuditWitness } from './audit-witness.ts';
import type { Authorizer, Caller } from './authorize.ts';
import type { ControlIdentity } from './identity.ts';
import type { SnapshotService } from './snapshots.ts';

export interface HandlerContext {
  db: Registry;
  busId: string;
  identity: ControlIdentity;
  authorizer: Authorizer;
  snapshots: SnapshotService;
  keyService: KeyService;
  keyVersions: VersionContext;
  witness: AuditWitness;
  log: Logger;
}

/** One request on its way through a handler. */
export interface HandlerCall<M extends MethodName> {
  request: RequestOf<M>;
  caller: Caller;
  call: IncomingCall;
  /** the transaction of a method whose answer is kept, else the database itself */
  db: Registry;
}

export type Handler<M extends MethodName> = (context: HandlerContext, call: HandlerCall<M>) => Promise<ResponseOf<M>>;
export type Handlers = { [M in MethodName]: Handler<M> };
