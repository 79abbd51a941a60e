/** Checks of a directory and its machine that sites and control planes share: permissions, certificate, disk. */
import { lstat, readdir, statfs } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { errorText } from '../errors.ts';
import { bytesText, durationText } from '../status/index.ts';
import { isErrno, readCertificate, readFileIfThere } from '../trust/index.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** holds what the servers write themselves: their own modes */
const notOurs = new Set(['jetstream', 'postgres', 'data']);
/** public by their nature */
const publicFiles = /(^|\/)(ca|cert)\.pem$|\.(log|pid|conf|sock|jwt)$/;
const mostNamed = 5;

/** Whether anybody but the owner can read what is secret. */
export async function checkPermissions(dir: string): Promise<Finding[]> {
  const open = await openTo(dir, dir);
  const words = { check: 'permissions', subject: dir };
  if (open.length === 0) return [ok({ ...words, text: 'files and directories are for their owner alone' })];
  const named = open.slice(0, mostNamed).join(', ');
  const more = open.length > mostNamed ? ` and ${open.length - mostNamed} more` : '';
  return [
    problem(
      { ...words, text: `others on this machine may read ${named}${more}` },
      `chmod -R go= ${dir}, and replace what may have been read: tokens, credentials, keys.`,
    ),
  ];
}

async function openTo(root: string, path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const isOpen = async (at: string): Promise<boolean> => {
    const info = await lstat(at).catch(() => undefined);
    return info !== undefined && !info.isSymbolicLink() && (info.mode & 0o077) !== 0;
  };
  const found = path === root && (await isOpen(root)) ? ['the directory itself'] : [];
  for (const entry of entries) {
    const at = join(path, entry.name);
    if (entry.isDirectory()) {
      if (!notOurs.has(entry.name)) found.push(...(await openTo(root, at)));
    } else if (entry.isFile() && !publicFiles.test(at) && (await isOpen(at))) found.push(relative(root, at));
  }
  return found;
}

const day = 24 * 3600 * 1000;

/** @param warnBeforeMs when it should have been renewed long since */
export async function checkCertificateFile(
  file: string,
  subject: string,
  { warnBeforeMs, remedy, nowMs = Date.now() }: { warnBeforeMs: number; remedy: string; nowMs?: number },
): Promise<Finding[]> {
  const words = { check: 'certificate', subject };
  const certPem = (await readFileIfThere(file))?.toString('utf8');
  if (certPem === undefined) return [problem({ ...words, text: `${file} is missing` }, remedy)];
  try {
    const { notBeforeMs, notAfterMs } = readCertificate(certPem);
    if (nowMs < notBeforeMs)
      return [
        problem(
          {
            check: 'clock',
            subject,
            text: `the clock is at least ${durationText(notBeforeMs - nowMs)} behind: the certificate begins later`,
          },
          'Set the clock and keep it by NTP.',
        ),
      ];
    const left = notAfterMs - nowMs;
    if (left <= 0) return [problem({ ...words, text: `ended ${durationText(-left)} ago` }, remedy)];
    if (left < warnBeforeMs) return [warning({ ...words, text: `ends in ${durationText(left)}` }, remedy)];
    return [ok({ ...words, text: `good for ${durationText(left)}` })];
  } catch (error) {
    return [problem({ ...words, text: `${file}: ${errorText(error)}` }, remedy)];
  }
}

export const renewalMissedMs = 50 * day;

const gibibyte = 1024 ** 3;

/** Free space where the directory lies. */
export async function checkDisk(dir: string, subject: string): Promise<Finding[]> {
  const words = { check: 'disk', subject };
  try {
    const { bavail, blocks, bsize } = await statfs(dir);
    const [free, share] = [bavail * bsize, bavail / Math.max(1, blocks)];
    const text = `${bytesText(free)} free (${Math.floor(share * 100)} %)`;
    const remedy = 'Make room: streams refuse what comes once the disk is full.';
    if (free < gibibyte / 4) return [problem({ ...words, text }, remedy)];
    if (share < 0.1 && free < 10 * gibibyte) return [warning({ ...words, text }, remedy)];
    return [ok({ ...words, text })];
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOSYS')) throw error;
    return [problem({ ...words, text: `${dir} is not there` }, 'Name the right directory.')];
  }
}
