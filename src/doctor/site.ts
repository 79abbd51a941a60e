/** What is wrong at a site, seen from its own machine: files, certificate, disk, nats-server, sidecar, way to the control plane. */
import { z } from 'zod';
import { readSnapshot } from '../api/index.ts';
import { isBusError } from '../errors.ts';
import { askMonitor, isNewEnough, minimumVersion } from '../server/index.ts';
import { appCertificateSoonMs, openSiteDir, type ServerPlace, type SiteDir, serverPlaces } from '../site/index.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { checkCertificateFile, checkDisk, checkPermissions, renewalMissedMs } from './machine.ts';

/** E_SITE_DIR */
export async function examineSite(path: string): Promise<Finding[]> {
  const dir = await openSiteDir(path);
  const subject = dir.file.site;
  const rejoin =
    'Start the sidecar and see that it reaches the control plane; if that does not help, join the site again.';
  const parts = await Promise.all([
    checkPermissions(dir.path),
    checkCertificateFile(dir.tls.certFile, subject, { warnBeforeMs: renewalMissedMs, remedy: rejoin }),
    checkAppCertificate(dir),
    checkDisk(dir.path, subject),
    checkServers(dir),
    checkSidecar(dir),
    checkControlLink(dir),
    checkSnapshot(dir),
  ]);
  return parts.flat();
}

/** What applications are shown, where the operator's files are declared. */
async function checkAppCertificate(dir: SiteDir): Promise<Finding[]> {
  const stored = await dir.readSnapshot();
  const tls = stored === undefined ? undefined : readSnapshot(stored, dir.file.control.signKey).site.tls;
  if (tls?.cert === undefined) return [];
  const remedy = `Renew it and put certificate and key in ${tls.cert} and ${tls.key ?? ''}: the sidecar takes them over.`;
  const subject = `${dir.file.site}, applications`;
  return checkCertificateFile(dir.at('tls/app/cert.pem'), subject, { warnBeforeMs: appCertificateSoonMs, remedy });
}

async function checkServers(dir: SiteDir): Promise<Finding[]> {
  return (await Promise.all(serverPlaces(dir).map((place) => checkServer(dir, place)))).flat();
}

async function checkServer({ file, path }: SiteDir, { number, listen, monitor }: ServerPlace): Promise<Finding[]> {
  const [which, option] = file.cluster === undefined ? ['', ''] : [` ${number}`, ` --server ${number}`];
  const words = { check: `nats-server${which}`, subject: file.site };
  const varz = await askMonitor(
    monitor,
    '/varz',
    z.object({ version: z.string(), slow_consumers: z.number().default(0) }),
  );
  if (varz === undefined)
    return [
      problem({ ...words, text: `nothing answers at ${monitor}` }, `Start it: mbus site server --dir ${path}${option}`),
    ];
  if (!isNewEnough(varz.version))
    return [problem({ ...words, text: `version ${varz.version}` }, `Use nats-server ${minimumVersion} or newer.`)];
  return [ok({ ...words, text: `version ${varz.version} answers at ${listen}` })];
}

/** Its lock is free when nobody runs. */
async function checkSidecar(dir: SiteDir): Promise<Finding[]> {
  const words = { check: 'sidecar', subject: dir.file.site };
  try {
    await (await dir.lock()).release();
  } catch (error) {
    if (isBusError(error, 'E_SIDECAR_RUNNING')) return [ok({ ...words, text: 'runs' })];
    throw error;
  }
  const remedy = `Start it: mbus sidecar run --dir ${dir.path}`;
  return [problem({ ...words, text: 'does not run: nothing leaves or reaches this site' }, remedy)];
}

async function checkControlLink({ file }: SiteDir): Promise<Finding[]> {
  const words = { check: 'control plane', subject: file.site };
  const leafz = z.object({
    leafs: z.array(z.object({ account: z.string().optional(), name: z.string().optional() })).default([]),
  });
  const varz = await askMonitor(file.monitor, '/varz', z.object({ system_account: z.string().optional() }));
  const answer = await askMonitor(file.monitor, '/leafz', leafz);
  if (varz === undefined || answer === undefined) return [];
  if (answer.leafs.length > 0)
    return [
      ok({ ...words, text: `${answer.leafs.length} leaf connections, the control link among them or on its way` }),
    ];
  const urls = file.controlVia ?? file.control.leafUrls;
  return [
    warning(
      { ...words, text: `no leaf connection, neither to the control plane (${urls.join(', ')}) nor to another site` },
      'See that the control plane runs and that this machine may dial it; the site goes on alone meanwhile.',
    ),
  ];
}

async function checkSnapshot(dir: SiteDir): Promise<Finding[]> {
  const words = { check: 'configuration', subject: dir.file.site };
  if ((await dir.readSnapshot()) !== undefined) return [ok({ ...words, text: 'a signed snapshot is kept' })];
  return [
    warning({ ...words, text: 'no configuration has come yet' }, 'Start the sidecar while the control plane runs.'),
  ];
}
