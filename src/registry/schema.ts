/**
 * The registry's tables as TypeScript sees them. The truth is in migrations/; integration tests run every query
 * against a real PostgreSQL, so a difference shows there. bigint columns are read as numbers (see connection.ts):
 * all of them count bytes, milliseconds or revisions below 2^53.
 */
import type { ColumnType, Generated } from 'kysely';
import type { KeysTables } from './keys-schema.ts';

/** filled by the database with its own clock */
type DatabaseTime = ColumnType<Date, never, never>;
type Bytes = ColumnType<Buffer, Uint8Array, Uint8Array>;
/** stored as JSON text, read as a parsed value */
type Json<T> = ColumnType<T, string, string>;

export interface BusesTable {
  singleton: Generated<boolean>;
  id: Generated<string>;
  version: Generated<number>;
  /** ids and leaf URLs of the replicas that sites were last told of, canonical text */
  replica_set: Generated<string>;
  /** fingerprint of the master key; null until a control plane has started */
  master_key_id: string | null;
  created_at: DatabaseTime;
}

export interface ControlSecretsTable {
  name: string;
  /** AES-256-GCM under the master key, see secrets.ts */
  wrapped: Bytes;
  created_at: DatabaseTime;
}

export interface SitesTable {
  id: Generated<string>;
  name: string;
  mode: 'server' | 'client';
  address: string | null;
  websocket: string | null;
  proxy: string | null;
  max_payload: number;
  durability: 'auto' | 'process' | 'power';
  /** carries envelopes of others although it is in client mode */
  transit: boolean;
  /** processes that share the work of its sidecar */
  sidecars: number;
  /** AppTls as JSON */
  tls: string | null;
  /** nats-servers that keep what it stores */
  servers: 1 | 3;
  /** of envelopes and all else between terminals, that its build reads */
  format_min: Generated<number>;
  format_max: Generated<number>;
  /** Ed25519 public key that signs the site's requests, null until it joined */
  request_key: string | null;
  /** NATS user public key of its control link */
  control_user: string | null;
  joined_at: Date | null;
  /** it learns of it, and is cut off a few seconds later */
  revoked_at: Date | null;
}

export interface CustomersTable {
  id: Generated<string>;
  name: string;
  isolate_apps: boolean;
  max_connections: number | null;
  max_payload: number | null;
  max_storage: number | null;
  max_consumers: number | null;
  is_suspended: Generated<boolean>;
}

export interface TerminalsTable {
  id: Generated<string>;
  customer_id: string;
  site_id: string;
  /** Ed25519 public */
  sign_key: string | null;
  /** X25519 public */
  wrap_key: string | null;
  /** NATS user public key it dials links with */
  link_user: string | null;
  registered_at: Date | null;
  is_draining: Generated<boolean>;
  forgotten_at: Date | null;
  revoked_at: Date | null;
  /** until then it may replace its keys, proving the old ones */
  rekey_until: Date | null;
}

export interface LinksTable {
  id: Generated<string>;
  customer_id: string;
  /** terminal ids, in the order the file names the ends */
  a: string;
  b: string;
  cost: number;
  via: string | null;
  transport: Generated<'tcp' | 'ws'>;
  proxy: string | null;
  compress: 'auto' | 'always' | 'never';
}

export interface LinkCredentialsTable {
  link_id: string;
  user_jwt: string;
  /** the dialer's key the credential was issued for */
  link_user: string;
  reported_at: DatabaseTime;
}

export interface TopicsTable {
  id: Generated<string>;
  customer_id: string;
  name: string;
  scope: 'bus' | 'lan';
  max_bytes: number;
  max_transit_age_ms: number;
  strict: boolean;
  /** an arrival behind a gap waits for what comes before it */
  ordered: Generated<boolean>;
  dedupe_ms: number;
  /** the topic gets a new key version when the one in use is that old, or has sealed that many messages */
  rotate_after_ms: number;
  rotate_after_messages: number;
  /** tickets from before that moment are used no more */
  tickets_since: Date | null;
}

export interface GroupsTable {
  id: Generated<string>;
  customer_id: string;
  topic_id: string;
  name: string;
  policy: 'nearest' | 'spread' | 'ordered';
  max_bytes: number;
  on_full: 'refuse' | 'dropOldest';
  ack_wait_ms: number;
  max_deliver: number;
  max_ack_pending: number;
  failover_after_ms: number;
  on_terminal_loss: 'wait' | 'reassign';
  reassign_after_ms: number;
}

export interface GroupTerminalsTable {
  customer_id: string;
  group_id: string;
  terminal_id: string;
  /** 0 is the primary of an ordered group */
  position: number;
}

export interface AppsTable {
  id: Generated<string>;
  customer_id: string;
  terminal_id: string;
  name: string;
  is_revoked: Generated<boolean>;
  /** grows when it gets a new credential; those before are worth nothing */
  credential: Generated<number>;
  /** null: without end */
  credential_life_ms: number | null;
}

export interface AppPublishTable {
  customer_id: string;
  app_id: string;
  topic_id: string;
}

export interface AppConsumeTable {
  customer_id: string;
  app_id: string;
  group_id: string;
}

/** Whose dead letters an app may read. */
export interface AppDeadLettersTable {
  customer_id: string;
  app_id: string;
  group_id: string;
}

export interface LetterTasksTable {
  id: Generated<string>;
  terminal_id: string;
  group_id: string;
  task: ColumnType<unknown, string, never>;
  answer: ColumnType<unknown, string | undefined, string>;
  created_at: Generated<Date>;
}

export interface EnrolmentTokensTable {
  id: Generated<string>;
  /** SHA-256 of the token's secret */
  hash: Bytes;
  site_id: string;
  /** set: re-registers this customer's terminal at the site instead of joining the site */
  customer_id: string | null;
  created_at: DatabaseTime;
  expires_at: Date;
  used_at: Date | null;
}

export interface SiteReportsTable {
  site_id: string;
  report: Json<unknown>;
  /** the report's own time by the control plane's clock as the site estimates it: an older one never wins */
  sent_ms: number;
  received_at: ColumnType<Date, never, Date>;
}

export interface ReplicasTable {
  id: string;
  /** host:port of its cluster listener */
  route: string;
  /** host:port of its leaf listener, as sites dial it */
  leaf_url: string;
  /** host:port of its WebSocket listener, as sites dial it */
  ws_url: string | null;
  /** host:port of its client listener, as enrolling sites and admins dial it */
  client_url: string;
  /** where browsers find its console */
  console_url: string | null;
  heartbeat_at: ColumnType<Date, never, Date>;
}

/** login codes and sessions of the console */
export interface ConsolePassesTable {
  /** SHA-256 of the code, or of the cookie */
  hash: Bytes;
  kind: 'code' | 'session';
  /** who it was made for: `admin:<id>` */
  actor: string;
  expires_at: Date;
}

/** control users of sites that are gone or joined with other keys */
export interface RevokedUsersTable {
  /** U… */
  control_user: string;
  revoked_at: DatabaseTime;
}

export interface TracesTable {
  id: Generated<string>;
  customer_id: string;
  topic_id: string;
  /** terminal where the message was published */
  origin_id: string;
  /** of its capture stream */
  sequence: number;
  created_at: DatabaseTime;
}

export interface TraceHopsTable {
  trace_id: string;
  terminal_id: string;
  hops: Json<unknown>;
}

export interface RequestNoncesTable {
  nonce: string;
  caller: string;
  method: string;
  answer: Json<unknown> | null;
  at: DatabaseTime;
}

export interface AuditTable {
  id: number;
  at: Date;
  actor: string;
  action: string;
  noun: string;
  details: Json<unknown>;
  prev_hash: Bytes;
  hash: Bytes;
}

/** how far the audit table had come, by the word of each replica */
export interface AuditHeadsTable {
  replica_id: string;
  id: number;
  hash: Bytes;
  signature: Bytes;
  at: DatabaseTime;
}

export interface RegistryTables {
  buses: BusesTable;
  control_secrets: ControlSecretsTable;
  sites: SitesTable;
  customers: CustomersTable;
  terminals: TerminalsTable;
  links: LinksTable;
  link_credentials: LinkCredentialsTable;
  topics: TopicsTable;
  groups: GroupsTable;
  group_terminals: GroupTerminalsTable;
  apps: AppsTable;
  app_publish: AppPublishTable;
  app_consume: AppConsumeTable;
  app_dead_letters: AppDeadLettersTable;
  letter_tasks: LetterTasksTable;
  enrolment_tokens: EnrolmentTokensTable;
  site_reports: SiteReportsTable;
  replicas: ReplicasTable;
  revoked_users: RevokedUsersTable;
  traces: TracesTable;
  trace_hops: TraceHopsTable;
  request_nonces: RequestNoncesTable;
  audit: AuditTable;
  audit_heads: AuditHeadsTable;
  console_passes: ConsolePassesTable;
}

export interface Database extends RegistryTables, KeysTables {}
