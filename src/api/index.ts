/** The control API: methods, frame, client and server, joining, snapshots. The only door of this folder. */
export { type AdminFile, createAdminClient, readAdminFile, writeAdminFile } from './admin.ts';
export { type ControlClientOptions, createControlClient } from './client.ts';
export { type ControlEndpoint, connectControl, controlCertificatePrefix } from './connect.ts';
export {
  type CallerKey,
  type ControlKeys,
  type ControlPublicKeys,
  callerKeyFromSeed,
  isSignedBy,
  loadControlKeys,
} from './control-keys.ts';
export { type JoinKeys, joinSite } from './enrol.ts';
export { isRegistrationProven, type RegistrationKeys, signRegistration } from './registration.ts';
export { ReplayWindow } from './replay-window.ts';
export { type IncomingCall, serveControl } from './server.ts';
export { readSnapshot, type SignedSnapshot, signSnapshot } from './signed-snapshot.ts';
export { callerRights, noticeSubject } from './subjects.ts';
export { formatToken, type JoinToken, parseToken } from './token.ts';
export { parseKnown } from './tolerant.ts';
