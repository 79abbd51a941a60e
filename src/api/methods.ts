/**
 * The control API: every method with who may call it, its request and its response. Client and server share this table;
 * a request that does not parse is refused before anything looks at it. Binary values are base64url without padding.
 */
import { z } from 'zod';
import { busFileSchema } from '../config/bus-file.ts';
import { consoleMethods } from './console-methods.ts';
import { forgetMethods } from './forget.ts';
import { keyMethods } from './key-methods.ts';
import { letterMethods, letterTaskSchema } from './letters.ts';
import { lossSchema } from './loss.ts';
import { revokeMethods } from './revoke-methods.ts';
import { siteReportSchema } from './site-report.ts';

/** one spelling, as it stands in proofs */
const id = z.uuid().lowercase();
const key = z.string().max(128);
const bin = z.string().max(65_536);
const name = z.string().max(64);
const controlInfo = z.strictObject({
  leafUrls: z.array(z.string()),
  signKey: key,
  sealKey: key,
  caPem: z.string(),
});

/** one line of a plan: what apply changes, or would change */
export const changeSchema = z.strictObject({
  action: z.enum(['add', 'update', 'remove']),
  noun: z.enum(['site', 'customer', 'terminal', 'link', 'topic', 'group', 'app']),
  /** path of names: `acme/trade@risk` */
  name: z.string(),
  /** what differs, `field: old -> new` */
  fields: z.array(z.string()),
});

/** one thing that happened to a traced message at one terminal */
export const traceHopSchema = z.strictObject({
  /** captured: published here · transit: stored here for others · delivered: in the group's stream · receipted: the origin knows */
  kind: z.enum(['captured', 'transit', 'delivered', 'receipted']),
  /** by this site's clock, milliseconds since 1970; null where no time is kept */
  atMs: z.number().nullable(),
  /** terminals the envelope came by, origin first; empty at the origin */
  path: z.array(id).max(64),
  /** terminal the copy was for */
  destinationId: id.nullable(),
  /** receipted: for this group */
  groupId: id.nullable(),
});

/** what a site is asked about one message */
const traceQuestionSchema = z.strictObject({
  traceId: id,
  /** the site's terminal of that customer */
  terminalId: id,
  topicId: id,
  originId: id,
  /** in the origin's capture stream */
  sequence: z.number().int().positive(),
});

export const methods = {
  ...letterMethods,
  ...keyMethods,
  ...revokeMethods,
  ...forgetMethods,
  ...consoleMethods,
  /** joins a site: token plus keys made on the site */
  'enrol.site': {
    caller: 'token',
    request: z.strictObject({
      token: z.string().max(256),
      /** Ed25519 public key that signs the site's requests */
      siteKey: key,
      /** NATS user public key (U…) of its control link */
      controlUser: key,
      csrPem: z.string().max(16_384),
    }),
    response: z.strictObject({
      busId: id,
      siteId: id,
      site: name,
      certPem: z.string(),
      /** user JWT for the leaf remote of account CTL */
      controlUserJwt: z.string(),
      control: controlInfo,
      /** nats-servers that it is to have, one where it is absent */
      servers: z.union([z.literal(1), z.literal(3)]).optional(),
    }),
  },
  /** registers the public parts of a terminal's securekey; without a token only the first time */
  'terminal.register': {
    caller: 'site',
    request: z.strictObject({
      terminalId: id,
      /** Ed25519 public */
      signKey: key,
      /** X25519 public */
      wrapKey: key,
      linkUser: key,
      token: z.string().max(256).optional(),
      /** the same signed by the key that is replaced, when an operator asked for that */
      oldProof: bin.optional(),
      /** signature by the terminal's key over terminal id and the three public keys */
      proof: bin,
    }),
    response: z.strictObject({ version: z.number().int() }),
  },
  'snapshot.get': {
    caller: 'site',
    request: z.strictObject({ have: z.number().int() }),
    /** `snapshot` is the exact JSON text that `signature` covers; null when `have` is the newest */
    response: z.strictObject({ version: z.number().int(), snapshot: z.string().nullable(), signature: bin.nullable() }),
  },
  'site.report': {
    caller: 'site',
    request: siteReportSchema,
    response: z.strictObject({
      version: z.number().int(),
      /** messages that somebody traces now */
      traces: z.array(traceQuestionSchema).default([]),
      /** what is to be done with dead letters here */
      letterTasks: z.array(letterTaskSchema).default([]),
    }),
  },
  /** an answer to a trace; the newest of a terminal replaces the one before */
  'site.trace': {
    caller: 'site',
    request: z.strictObject({ traceId: id, terminalId: id, hops: z.array(traceHopSchema).max(256) }),
    response: z.strictObject({ isAsked: z.boolean() }),
  },
  'cert.renew': {
    caller: 'site',
    request: z.strictObject({ csrPem: z.string().max(16_384) }),
    response: z.strictObject({ certPem: z.string(), caPem: z.string() }),
  },
  'key.ticket': {
    caller: 'site',
    request: z.strictObject({
      terminalId: id,
      topicId: id,
      nonce: key,
      proof: bin,
      /** that it will seal, where the terminal knows it ahead (strict topics) */
      messages: z.number().int().min(0).max(65_536).optional(),
    }),
    response: z.strictObject({
      ticketId: key,
      epoch: z.number().int(),
      /** seconds the ticket still lives, by the service's clock */
      ttlMs: z.number().int(),
      certificate: bin,
      /** sealing half and temporary password, wrapped to the terminal's wrapKey */
      wrapped: bin,
    }),
  },
  'key.open': {
    caller: 'site',
    request: z.strictObject({ terminalId: id, topicId: id, ticketId: key, password: key, nonce: key, proof: bin }),
    response: z.strictObject({ ttlMs: z.number().int(), wrapped: bin }),
  },
  /** a new temporary password for this receiver and an expired ticket */
  'key.reticket': {
    caller: 'site',
    request: z.strictObject({ terminalId: id, topicId: id, header: bin, nonce: key, proof: bin }),
    response: z.strictObject({ ttlMs: z.number().int(), wrapped: bin }),
  },
  'bus.export': {
    caller: 'admin',
    request: z.strictObject({}),
    response: z.strictObject({ version: z.number().int(), file: busFileSchema }),
  },
  'bus.diff': {
    caller: 'admin',
    request: z.strictObject({ file: busFileSchema }),
    response: z.strictObject({
      version: z.number().int(),
      changes: z.array(changeSchema),
      /** messages that the changes would delete */
      losses: z.array(lossSchema),
    }),
  },
  /** all or nothing; `base` refuses when the bus changed since that version. E_WOULD_LOSE unless `force` */
  'bus.apply': {
    caller: 'admin',
    request: z.strictObject({
      file: busFileSchema,
      base: z.number().int().optional(),
      force: z.boolean().optional(),
    }),
    response: z.strictObject({ version: z.number().int(), changes: z.array(changeSchema) }),
  },
  /** single use, 15 minutes; for a site, or for the re-registration of one terminal */
  'token.create': {
    caller: 'admin',
    request: z.strictObject({ site: name, customer: name.optional() }),
    response: z.strictObject({ token: z.string(), expiresInMs: z.number().int() }),
  },
  /** empties a terminal, or lets it serve again */
  'terminal.drain': {
    caller: 'admin',
    request: z.strictObject({ customer: name, site: name, isDraining: z.boolean() }),
    response: z.strictObject({ version: z.number().int() }),
  },
  'bus.status': {
    caller: 'admin',
    request: z.strictObject({}),
    response: z.strictObject({
      busId: id,
      version: z.number().int(),
      sites: z.array(
        z.strictObject({
          id,
          name,
          mode: z.enum(['server', 'client']),
          state: z.enum(['declared', 'joined', 'revoked']),
          /** ms since the last report, null when it never reported */
          reportAgeMs: z.number().nullable(),
          report: siteReportSchema.nullable(),
        }),
      ),
      /** ids to names, for reports */
      names: z.record(z.string(), z.string()),
      /** consoleUrl: null where it serves none */
      replicas: z.array(z.strictObject({ id: z.string(), ageMs: z.number(), consoleUrl: z.string().nullable() })),
      /** terminals that an operator empties, `customer/site` */
      draining: z.array(z.string()),
      /** terminals that an operator gave up, `customer/site` */
      forgotten: z.array(z.string()),
      /** who is let in no more: `site tokyo`, `terminal acme/tokyo`, `app acme/exchange`, `customer globex` (suspended) */
      revoked: z.array(z.string()),
    }),
  },
  /** asks every site of the customer about one message: published at `from`, `sequence` in its capture stream */
  'trace.start': {
    caller: 'admin',
    request: z.strictObject({ customer: name, topic: name, from: name, sequence: z.number().int().positive() }),
    response: z.strictObject({ traceId: id }),
  },
  /** what has been answered so far */
  'trace.get': {
    caller: 'admin',
    request: z.strictObject({ traceId: id }),
    response: z.strictObject({
      sites: z.array(z.strictObject({ site: name, hops: z.array(traceHopSchema) })),
      names: z.record(z.string(), z.string()),
    }),
  },
  /** walks the hash chain of the audit table from its beginning */
  'audit.verify': {
    caller: 'admin',
    request: z.strictObject({}),
    response: z.strictObject({
      ok: z.boolean(),
      rows: z.number().int(),
      /** where it does not hold, null when it does */
      firstBadId: z.number().int().nullable(),
      reason: z.string().nullable(),
    }),
  },
  'audit.list': {
    caller: 'admin',
    request: z.strictObject({ limit: z.number().int().min(1).max(1000), before: z.number().int().optional() }),
    response: z.strictObject({
      rows: z.array(
        z.strictObject({
          id: z.number().int(),
          at: z.string(),
          actor: z.string(),
          action: z.string(),
          noun: z.string(),
          details: z.unknown(),
        }),
      ),
    }),
  },
} as const;

export type MethodName = keyof typeof methods;
/** Repeating one of these is not the same as doing it once: a caller without an answer sends the very same frame again. */
export const onceMethods: ReadonlySet<MethodName> = new Set([
  'enrol.site',
  'bus.apply',
  'key.rotate',
  'key.destroy',
  'ticket.revoke',
  'terminal.revoke',
  'site.revoke',
  'terminal.rekey',
  'terminal.forget',
  'app.revoke',
  'customer.suspend',
]);
export type MethodCaller = (typeof methods)[MethodName]['caller'];
export type RequestOf<M extends MethodName> = z.input<(typeof methods)[M]['request']>;
export type ResponseOf<M extends MethodName> = z.output<(typeof methods)[M]['response']>;
export type TraceHop = z.output<typeof traceHopSchema>;
export type TraceQuestion = z.output<typeof traceQuestionSchema>;
export type Change = z.output<typeof changeSchema>;

/** What sidecar and CLI see of the control plane. Errors are BusErrors with the control plane's code. */
export interface ControlClient {
  /** E_CONTROL_AWAY (retry) when nobody answers within `timeoutMs` (default 5,000). */
  call<M extends MethodName>(
    method: M,
    request: RequestOf<M>,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<ResponseOf<M>>;
  /** Calls back when the control plane says that the bus's version changed. A hint only: poll as well. */
  onNotice(callback: (version: number) => void): void;
  close(): Promise<void>;
}
