/** After an apply: the sites that can hear of it have it, with streams, durables and rights in place. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlClient, ResponseOf } from '../api/methods.ts';
import { type LabContext, sidecarNames } from './parts.ts';
import { isAlive, readRecord } from './processes.ts';

type SiteStatus = ResponseOf<'bus.status'>['sites'][number];

const settleMs = 15_000;
const pollMs = 100;

/** Waits until every site whose sidecar lives has applied `version`; names those that stay behind, as a cut-off one does. */
export async function untilSettled(context: LabContext, control: ControlClient, version: number): Promise<void> {
  const deadline = performance.now() + settleMs;
  for (;;) {
    const behind = await sitesBehind(context, control, version);
    if (behind.length === 0) return;
    if (performance.now() > deadline) {
      context.progress(`not there yet: ${behind.join(', ')}`);
      return;
    }
    await delay(pollMs, undefined, { signal: context.abort.signal });
  }
}

async function sitesBehind(context: LabContext, control: ControlClient, version: number): Promise<string[]> {
  const { sites } = await control.call('bus.status', {});
  const behind = sites.filter((site) => !hasApplied(site, version)).map(({ name }) => name);
  const alive = await Promise.all(behind.map((site) => hasSidecar(context, site)));
  return behind.filter((_, at) => alive[at]);
}

async function hasSidecar({ dir, state }: LabContext, site: string): Promise<boolean> {
  const records = await Promise.all(sidecarNames(state, site).map((name) => readRecord(dir, name)));
  return records.some((record) => record !== undefined && isAlive(record));
}

function hasApplied({ report }: SiteStatus, version: number): boolean {
  if (report === null || report.applied < version) return false;
  return [...report.topics, ...report.apps].every(({ isReady }) => isReady);
}
