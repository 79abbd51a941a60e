/** Sites report every few seconds: what one says may be older than what a test has just done. */
import type { SiteReport } from '../../src/api/site-report.ts';
import { labStatus } from '../../src/lab/index.ts';
import type { TestLab } from './lab.ts';
import { until } from './tcp.ts';

/** what a sidecar takes at most to gather its report */
const gatheringMs = 1_000;

/** Waits until a report that the site wrote after now is so; `names` has the name of every id in it. */
export async function untilReported(
  lab: TestLab,
  site: string,
  what: string,
  isSo: (report: SiteReport, names: Readonly<Record<string, string>>) => boolean,
  timeoutMs = 20_000,
): Promise<void> {
  const sinceMs = performance.now();
  const isNow = async (): Promise<boolean> => {
    const { sites, names } = await labStatus(lab.dir);
    const { report, reportAgeMs } = sites.find(({ name }) => name === site) ?? {};
    if (!report || (reportAgeMs ?? Number.POSITIVE_INFINITY) > performance.now() - sinceMs - gatheringMs) return false;
    return isSo(report, names);
  };
  await until(`${site} reports that ${what}`, isNow, timeoutMs);
}

/** Waits until the site reports that nothing it captured waits for a remote group: of one group, or of all. */
export function untilHandedOver(lab: TestLab, site: string, group = '', timeoutMs = 30_000): Promise<void> {
  return untilReported(
    lab,
    site,
    `nothing waits${group && ` for ${group}`}`,
    ({ groups }, names) => groups.every(({ groupId, outgoing }) => !names[groupId]?.endsWith(group) || outgoing === 0),
    timeoutMs,
  );
}
