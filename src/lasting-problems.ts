/** Problems of a site that are reported and waited for: applying its configuration again solves none of them. */

/** no apply solves them: a setting that waits for a restart, a stream that must stay, lost messages, a way that is gone around */
export const lastingProblems: ReadonlySet<string> = new Set([
  'E_SERVER_RESTART',
  'E_DISK_FULL',
  'E_NOT_DURABLE',
  'E_LEFT_OVER',
  'E_ROLLED_BACK',
  'E_SHUNNED',
  'E_QUARANTINED',
  'E_TERMINAL_FORGOTTEN',
  'E_NO_STANDBY',
  'E_APP_CERTIFICATE',
  'E_SERVER_DOWN',
]);
