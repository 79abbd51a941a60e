/** What is wrong in the whole bus, from what its sites report, its audit table and its control plane. Pure but for the asking. */
import type { ControlClient, ResponseOf } from '../api/methods.ts';
import { formatsText } from '../envelope/index.ts';
import { type ErrorEntry, errorRegistry } from '../errors.ts';
import { isNewEnough, minimumVersion } from '../server/index.ts';
import { bytesText, durationText, type Status, type Stuck, stuckThings } from '../status/index.ts';
import { programVersion } from '../version.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

export interface BusFacts {
  status: Status;
  audit: ResponseOf<'audit.verify'>;
  /** newest first */
  auditRows: ResponseOf<'audit.list'>['rows'];
  nowMs: number;
}

/** Asks the control plane. E_CONTROL_AWAY */
export async function askBus(control: ControlClient): Promise<BusFacts> {
  const status = await control.call('bus.status', {});
  const audit = await control.call('audit.verify', {}, { timeoutMs: 60_000 });
  const { rows } = await control.call('audit.list', { limit: 1_000 });
  return { status, audit, auditRows: rows, nowMs: Date.now() };
}

export function examineBus(facts: BusFacts): Finding[] {
  const { status, nowMs } = facts;
  const stuck = stuckThings(status, nowMs).map(stuckFinding);
  return [
    ...checkVersions(status),
    ...checkFormats(status),
    ...checkLimits(status),
    ...checkProblems(status),
    ...(stuck.length > 0 ? stuck : [ok({ check: 'traffic', subject: 'bus', text: 'nothing is stuck' })]),
    ...checkAudit(facts),
    ...checkBackups(facts),
  ];
}

function checkVersions({ sites, replicas }: Status): Finding[] {
  const own = programVersion();
  const found = sites.flatMap(({ name: subject, report }): Finding[] => {
    if (report === null) return [];
    const server = { check: 'versions', subject, text: `nats-server ${report.serverVersion}` };
    const sidecar = {
      check: 'versions',
      subject,
      text: `sidecar ${report.sidecarVersion}, control plane's tools ${own}`,
    };
    return [
      ...(isNewEnough(report.serverVersion) ? [] : [problem(server, `Use nats-server ${minimumVersion} or newer.`)]),
      ...(report.sidecarVersion === own
        ? []
        : [warning(sidecar, 'Bring both to the same version, the control plane first.')]),
    ];
  });
  if (replicas.length === 0)
    found.push(
      warning(
        { check: 'control plane', subject: 'bus', text: 'no replica has told that it lives' },
        'See that its database answers: mbus control run.',
      ),
    );
  return found.length > 0 ? found : [ok({ check: 'versions', subject: 'bus', text: `${own} everywhere` })];
}

/** Sites whose builds write in an older format because another does not read the newest yet. */
function checkFormats({ sites }: Status): Finding[] {
  const known = sites.flatMap(({ name, state, report }) =>
    report === null || state === 'revoked' ? [] : [{ name, ...report.formats }],
  );
  const newest = Math.max(0, ...known.map(({ max }) => max));
  const behind = known.filter(({ max }) => max < newest);
  if (behind.length === 0) return [];
  return behind.map(({ name: subject, ...range }) =>
    warning(
      { check: 'versions', subject, text: `${subject} reads ${formatsText(range)}, other sites format ${newest}` },
      'Upgrade it: until then the others write to its customers in the older format, or wait where there is none in common.',
    ),
  );
}

function checkLimits({ sites, names }: Status): Finding[] {
  return sites.flatMap(({ name: subject, report }) =>
    (report?.limits ?? []).map(({ kind, id, bytes, maxBytes, heldBy }) =>
      warning(
        {
          check: 'limits',
          subject,
          text: `${kind} of ${names[id] ?? id} is ${Math.floor((100 * bytes) / maxBytes)} % full (${bytesText(maxBytes)})`,
        },
        heldBy === ''
          ? 'Raise maxBytes, or let consumers catch up.'
          : `Held by ${heldBy}: let them catch up, or raise maxBytes.`,
      ),
    ),
  );
}

function checkProblems({ sites }: Status): Finding[] {
  const registry: Record<string, ErrorEntry> = errorRegistry;
  return sites.flatMap(({ name: subject, report }) =>
    (report?.problems ?? []).map(({ code, text }) =>
      warning(
        { check: 'problems', subject, text: `${code}: ${text}` },
        registry[code]?.remedy ?? `See mbus explain ${code}.`,
      ),
    ),
  );
}

/** what to do about each cause; those that pass by themselves say so */
const remedies: Record<Stuck['cause'], string> = {
  'link-cut': 'See that both machines run and may reach each other; what waits goes on by itself.',
  'link-silent':
    'Look for what swallows packets between the two: a firewall, a full line. It is dialled anew by itself.',
  'no-consumers': 'Start the consumers of the group, or remove the group.',
  'not-acknowledging':
    'Look at the consumers: they take messages and do not acknowledge; see maxDeliver and dead letters.',
  'stream-full': 'Let who holds the space catch up, or raise maxBytes.',
  'ticket-refused': 'mbus audit ls names the check that failed.',
  version: 'Bring the site with the older build to the next version; what waits goes on by itself.',
  revoked: 'Let it in again, or remove it: mbus terminal --help.',
  'key-service-away': 'See that the site reaches the control plane; without it sealing ends with the last ticket.',
  'not-applied': 'Read the problem that is named; the site tries again by itself.',
  'sidecar-down': 'Start it at the site: mbus sidecar run.',
  'site-away': 'Look at the machine and its network.',
  moving: 'Nothing: the backlog moves to another terminal.',
  other: 'Read the reason; mbus explain says what its code means.',
};

function stuckFinding({ cause, site, text }: Stuck): Finding {
  const isProblem = cause === 'sidecar-down' || cause === 'site-away' || cause === 'stream-full';
  const words = { check: 'traffic', subject: site, text };
  return isProblem ? problem(words, remedies[cause]) : warning(words, remedies[cause]);
}

function checkAudit({ audit }: BusFacts): Finding[] {
  const words = { check: 'audit', subject: 'bus' };
  if (audit.ok) return [ok({ ...words, text: `${audit.rows} rows, as they were written` })];
  const text = `row ${audit.firstBadId} is not as it was written: ${audit.reason ?? ''}`;
  return [problem({ ...words, text }, errorRegistry.E_AUDIT_CHANGED.remedy)];
}

const backupEveryMs = 7 * 24 * 3600 * 1000;

function checkBackups({ auditRows, nowMs }: BusFacts): Finding[] {
  const words = { check: 'backups', subject: 'bus' };
  const newest = auditRows.find(({ action }) => action === 'backup.create');
  const remedy = 'mbus backup create FILE --key-file KEY, every day, and keep the master key elsewhere.';
  if (newest === undefined) return [warning({ ...words, text: 'none is known of' }, remedy)];
  const ageMs = nowMs - Date.parse(newest.at);
  if (ageMs > backupEveryMs) return [warning({ ...words, text: `the newest is ${durationText(ageMs)} old` }, remedy)];
  return [ok({ ...words, text: `the newest is ${durationText(Math.max(0, ageMs))} old` })];
}
