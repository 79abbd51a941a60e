import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type BusFacts,
  checkCertificateFile,
  checkDisk,
  checkPermissions,
  examineBus,
} from '../../src/doctor/index.ts';
import { createCa, readCertificate } from '../../src/trust/index.ts';
import { programVersion } from '../../src/version.ts';
import { busOf, ids } from './status/reports.ts';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mbus-doctor-'));
});
afterAll(() => rm(dir, { recursive: true }));

const nowMs = Date.UTC(2026, 4, 5, 12);
const backup = {
  id: 9,
  at: new Date(nowMs - 3_600_000).toISOString(),
  actor: 'operator',
  action: 'backup.create',
  noun: 'bus',
  details: {},
};

/** Check and level of what is not well. */
function unwell(facts: Partial<BusFacts>): string[] {
  const audit = { ok: true, rows: 44, firstBadId: null, reason: null };
  const status = { ...busOf(), replicas: [{ id: 'r', ageMs: 10, consoleUrl: null }] };
  const whole = { status, audit, auditRows: [backup], nowMs, ...facts };
  return examineBus(whole).flatMap(({ check, level, remedy }) => {
    expect(remedy === '').toBe(level === 'ok');
    return level === 'ok' ? [] : [`${check} ${level}`];
  });
}

const statusOf = (facts: Parameters<typeof busOf>[0]) => ({
  ...busOf(facts),
  replicas: [{ id: 'r', ageMs: 10, consoleUrl: null }],
});

test('a bus that is well has no findings but good ones', () => {
  expect(programVersion()).toBe('0.1.0');
  expect(unwell({})).toEqual([]);
});

test('versions, limits, problems, traffic, audit and backups are each found', () => {
  const limit = { kind: 'group' as const, id: ids.risk, bytes: 90, maxBytes: 100, heldBy: 'consumers of risk' };
  expect(unwell({ status: statusOf({ tokyo: { limits: [limit] } }) })).toEqual(['limits warning']);
  const problems = [{ code: 'E_SERVER_RESTART', text: 'max_payload waits' }];
  expect(unwell({ status: statusOf({ tokyo: { problems } }) })).toEqual(['problems warning']);
  expect(
    unwell({
      status: statusOf({
        virginia: { reportAgeMs: 90_000 },
        tokyo: { reportAgeMs: 90_000 },
        frankfurt: { reportAgeMs: 90_000 },
      }),
    }),
  ).toEqual(['traffic problem', 'traffic problem', 'traffic problem']);
  const old = statusOf({});
  for (const { report } of old.sites)
    if (report !== null) Object.assign(report, { serverVersion: '2.12.0', sidecarVersion: '0.0.9' });
  expect(new Set(unwell({ status: old }))).toEqual(new Set(['versions problem', 'versions warning']));
  expect(unwell({ status: { ...statusOf({}), replicas: [] } })).toEqual(['control plane warning']);
  const audit = { ok: false, rows: 3, firstBadId: 4, reason: 'written anew' };
  expect(unwell({ audit })).toEqual(['audit problem']);
  expect(unwell({ auditRows: [] })).toEqual(['backups warning']);
  expect(unwell({ nowMs: nowMs + 8 * 24 * 3_600_000 })).toEqual(['backups warning']);
});

test('files that others may read are named, those that are public are not', async () => {
  const at = join(dir, 'site');
  await mkdir(join(at, 'keys'), { recursive: true, mode: 0o700 });
  await chmod(at, 0o700);
  await writeFile(join(at, 'keys/request.key'), 'x', { mode: 0o600 });
  await writeFile(join(at, 'ca.pem'), 'x', { mode: 0o644 });
  expect(await checkPermissions(at)).toMatchObject([{ level: 'ok' }]);
  await chmod(join(at, 'keys/request.key'), 0o640);
  expect(await checkPermissions(at)).toMatchObject([
    { level: 'problem', text: expect.stringContaining('keys/request.key') },
  ]);
});

test('a certificate that is good, about to end, ended, missing, or of a clock that is behind', async () => {
  const file = join(dir, 'cert.pem');
  const { certPem } = await createCa({ name: 'test' });
  await writeFile(file, certPem);
  const day = 24 * 3_600_000;
  const levelAt = async (atMs: number): Promise<string> => {
    const [found] = await checkCertificateFile(file, 'tokyo', { warnBeforeMs: 50 * day, remedy: 'renew', nowMs: atMs });
    return `${found?.check} ${found?.level}`;
  };
  const end = readCertificate(certPem).notAfterMs;
  expect(await levelAt(end - 60 * day)).toBe('certificate ok');
  expect(await levelAt(end - 40 * day)).toBe('certificate warning');
  expect(await levelAt(end + day)).toBe('certificate problem');
  expect(await levelAt(Date.UTC(2001, 1, 1))).toBe('clock problem');
  await rm(file);
  expect(await levelAt(end)).toBe('certificate problem');
});

test('a directory that is not there is a problem of the disk', async () => {
  expect(await checkDisk(join(dir, 'none'), 'tokyo')).toMatchObject([{ check: 'disk', level: 'problem' }]);
  expect(await checkDisk(dir, 'tokyo')).toMatchObject([{ check: 'disk' }]);
});
