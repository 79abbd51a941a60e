/**
 * NATS JWTs: operator, accounts, users. What a token says is given here as plain data; who may say what stands in
 * src/site/permissions.ts. Each encoding carries its time, so two encodings of the same claims differ: callers keep the
 * text and encode again only when the claims change.
 */
import {
  type Account,
  type ConnectionType,
  decode,
  encodeAccount,
  encodeGeneric,
  encodeOperator,
  encodeUser,
  fmtCreds,
  newScopedSigner,
  type User,
} from '@nats-io/jwt';
import type { KeyPair } from './nkeys.ts';

export interface Rights {
  publish: { allow: string[]; deny: string[] };
  subscribe: { allow: string[]; deny: string[] };
}

export interface UserClaims {
  name: string;
  rights?: Rights;
  connections: ConnectionType[];
  /** seconds since 1970 */
  expires?: number;
}

/** A signing key whose users have exactly these rights: they change with the account, without a new credential. */
export interface Scope {
  /** A… public key */
  key: string;
  role: string;
  rights: Rights;
  connections: ConnectionType[];
  /** of one connection */
  maxSubscriptions: number;
  /** largest message, bytes of headers and payload; absent: the server's */
  maxPayload?: number;
}

/** Subjects that other accounts of the same operator may send to. */
export interface ServiceExport {
  subject: string;
  /** `one`: that ends it; `many`: an answer without a byte of headers or body ends it; `untilLate`: nothing but time ends it */
  answers: 'one' | 'many' | 'untilLate';
  /** from the request on; with `many`, from the latest answer on */
  answerMs: number;
}

export interface ServiceImport {
  /** public key (A…) of the exporting account */
  account: string;
  subject: string;
  /** the subject here */
  as: string;
}

export interface AccountClaims {
  name: string;
  hasJetStream: boolean;
  /** connections, -1 without limit */
  maxConnections: number;
  maxLeafs: number;
  /** of one connection */
  maxSubscriptions: number;
  /** bytes of all streams, what they reserve included; absent or -1: without limit */
  maxStorage?: number;
  /** of one stream; absent or -1: without limit */
  maxConsumers?: number;
  scopes: Scope[];
  exports?: ServiceExport[];
  imports?: ServiceImport[];
  /** where a client's message goes that is published at the key */
  mappings?: Record<string, string>;
  /** users (U…) that are let in no more, with the time up to which their tokens count for nothing, seconds since 1970 */
  revocations?: Record<string, number>;
}

/** Encode once and keep the text: the server refuses a reload with other bytes. */
export function encodeOperatorJwt(name: string, operator: KeyPair, systemAccount: string): Promise<string> {
  return encodeOperator(name, operator, { system_account: systemAccount });
}

export function encodeAccountJwt(claims: AccountClaims, account: string, operator: KeyPair): Promise<string> {
  return encodeAccount(claims.name, account, accountBody(claims), { signer: operator });
}

/** What nats-server knows and the package's types do not. */
interface Mappings {
  mappings?: Record<string, { subject: string; weight: number }[]>;
}

function accountBody(claims: AccountClaims): Partial<Account> & Mappings {
  const store = claims.hasJetStream ? -1 : 0;
  return {
    ...(claims.revocations && { revocations: claims.revocations }),
    ...(claims.exports && { exports: claims.exports.map(exportBody) }),
    ...(claims.imports && { imports: claims.imports.map(importBody) }),
    ...(claims.mappings && { mappings: mappingBody(claims.mappings) }),
    limits: {
      subs: claims.maxSubscriptions,
      conn: claims.maxConnections,
      leaf: claims.maxLeafs,
      data: -1,
      payload: -1,
      imports: claims.imports?.length ?? 0,
      exports: claims.exports?.length ?? 0,
      wildcards: true,
      disallow_bearer: true,
      mem_storage: store,
      disk_storage: claims.hasJetStream ? (claims.maxStorage ?? -1) : 0,
      streams: store,
      consumer: claims.hasJetStream ? (claims.maxConsumers ?? -1) : 0,
      max_ack_pending: store,
      mem_max_stream_bytes: store,
      disk_max_stream_bytes: store,
      max_bytes_required: false,
    },
    signing_keys: claims.scopes.map((scope) =>
      newScopedSigner(scope.key, scope.role, {
        pub: scope.rights.publish,
        sub: scope.rights.subscribe,
        subs: scope.maxSubscriptions,
        data: -1,
        payload: scope.maxPayload ?? -1,
        bearer_token: false,
        allowed_connection_types: scope.connections,
      }),
    ),
  };
}

function exportBody({ subject, answers, answerMs }: ServiceExport): NonNullable<Account['exports']>[number] {
  // nats-server keeps the way of an answer whose latency it is to measure, whatever has come back over it
  const latency = answers === 'untilLate' && { service_latency: { sampling: percent(100), results: '_mb.latency' } };
  return {
    name: subject,
    subject,
    type: 'service',
    response_type: answers === 'many' ? 'Stream' : 'Singleton',
    response_threshold: answerMs * 1_000_000,
    ...latency,
  };
}

/** nats-server reads a number where the package's types say text. */
function percent(value: number): string {
  return value as unknown as string;
}

function importBody({ account, subject, as }: ServiceImport): NonNullable<Account['imports']>[number] {
  return { name: subject, account, subject, local_subject: as, type: 'service' };
}

function mappingBody(mappings: Record<string, string>): Mappings['mappings'] {
  return Object.fromEntries(Object.entries(mappings).map(([from, to]) => [from, [{ subject: to, weight: 100 }]]));
}

/** A user of `issuer`'s account, with its rights in the token. `user` is a public key (U…). */
export function encodeUserJwt(claims: UserClaims, user: string, issuer: KeyPair): Promise<string> {
  const body: Partial<User> = { allowed_connection_types: claims.connections };
  if (claims.rights) {
    body.pub = claims.rights.publish;
    body.sub = claims.rights.subscribe;
  }
  return encodeUser(claims.name, user, issuer, body, claims.expires === undefined ? {} : { exp: claims.expires });
}

/** A user under a scoped signing key of `account`: its rights are those of the scope, whatever they are today. */
export function encodeScopedUserJwt(
  claims: Pick<UserClaims, 'name' | 'expires'>,
  user: string,
  account: string,
  scopeKey: KeyPair,
): Promise<string> {
  const end = claims.expires === undefined ? {} : { exp: claims.expires };
  return encodeUser(claims.name, user, account, {}, { signer: scopeKey, scopedUser: true, ...end });
}

/** The order to a full resolver to forget these accounts (public keys). */
export function encodeDeleteJwt(accounts: string[], operator: KeyPair): Promise<string> {
  return encodeGeneric('delete', operator, 'generic', { accounts });
}

/** The text of a `.creds` file. */
export function formatCreds(userJwt: string, user: KeyPair): string {
  return new TextDecoder().decode(fmtCreds(userJwt, user));
}

/** What a token says whose signature holds, else undefined. `expires`: seconds since 1970, absent when it never ends. */
export function readJwt(
  jwt: string,
):
  | { issuer: string; subject: string; name: string; account: string | undefined; expires: number | undefined }
  | undefined {
  try {
    const claims = decode(jwt);
    // of a user under a signing key of an account: that account
    const account = (claims.nats as Partial<User> | undefined)?.issuer_account;
    return { issuer: claims.iss, subject: claims.sub, name: claims.name, account, expires: claims.exp };
  } catch {
    return undefined;
  }
}
