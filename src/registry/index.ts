/** The registry: a bus's metadata in PostgreSQL. The only door of this folder. */
export { type ApplyResult, applyBusFile, diffBusFile, readConsistently } from './apply.ts';
export { listApps } from './apps.ts';
export { type AuditEntry, type AuditRow, type AuditVerdict, appendAudit, listAudit, verifyAudit } from './audit.ts';
export { type AuditHead, auditHashAt, listAuditHeads, putAuditHead, readAuditHead } from './audit-heads.ts';
export {
  type Bus,
  bumpVersion,
  getBus,
  getMasterKeyId,
  lockBus,
  setMasterKeyId,
  setReplicaSet,
  versionChannel,
} from './buses.ts';
export { type OpenDatabaseOptions, openDatabase, type Registry } from './connection.ts';
export {
  consoleCodeLifeMs,
  createConsoleCode,
  endConsoleSession,
  endConsoleSessions,
  findConsoleSession,
  startConsoleSession,
} from './console-passes.ts';
export { listCustomers } from './customers.ts';
export { databaseError } from './database-error.ts';
export { type EmbeddedPostgres, embeddedUrl, startEmbedded } from './embedded.ts';
export { exportBusFile } from './export.ts';
export { listGroupTerminals } from './group-terminals.ts';
export { listGroups } from './groups.ts';
export { answerLetterTask, insertLetterTasks, listLetterTasks, readLetterAnswers } from './letter-tasks.ts';
export { listLinks, setLinkCredential } from './links.ts';
export { migrate } from './migrate.ts';
export { listNames } from './names.ts';
export { claimNonce, deleteOldNonces, keepAnswer, type NonceState } from './nonces.ts';
export { beat, listReplicas, type Replica, removeReplica, replicaLifeMs } from './replicas.ts';
export { listReports, storeReport } from './reports.ts';
export {
  cutOffSites,
  reportCompromised,
  revokeSite,
  revokeTerminals,
  setAppCredential,
  setSuspended,
  wantRekey,
} from './revoke.ts';
export { listRevokedUsers } from './revoked-users.ts';
export type { Database } from './schema.ts';
export { listStored, loadOrCreateStored, loadStored, rewrapSecrets } from './secrets.ts';
export { buildSnapshot, type ControlInfo, dialledNames, orderEnds } from './site-snapshot.ts';
export { findSite, listSites, type Site, setSiteFormats, setSiteKeys } from './sites.ts';
export {
  findTerminal,
  listTerminals,
  setDraining,
  setForgotten,
  setTerminalKeys,
  type Terminal,
  type TerminalPublicKeys,
} from './terminals.ts';
export { listTickets, revokeTickets, topicOfTicket } from './ticket-list.ts';
export { type DatabaseNow, databaseNow } from './tickets.ts';
export { createToken, deleteOldTokens, type EnrolmentToken, takeToken, tokenLifeMs } from './tokens.ts';
export { rewrapTopicKeys } from './topic-keys.ts';
export { findTopicPath, listTopics, type Topic } from './topics.ts';
export { insertTrace, listTraces, putTraceHops, readTrace } from './traces.ts';
