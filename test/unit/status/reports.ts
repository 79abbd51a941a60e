/** A bus of three sites as its reports describe it: tokyo and virginia dial frankfurt, all well unless a test says otherwise. */
import { siteReportSchema } from '../../../src/api/site-report.ts';
import type { Status, StatusSite } from '../../../src/status/index.ts';

const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

export const ids = {
  ...{ tokyo: uuid(1), frankfurt: uuid(2), virginia: uuid(3) },
  ...{ atTokyo: uuid(11), atFrankfurt: uuid(12), atVirginia: uuid(13) },
  ...{ frankfurtTokyo: uuid(21), frankfurtVirginia: uuid(22) },
  ...{ acme: uuid(31), trade: uuid(32), risk: uuid(33), archive: uuid(34) },
};

const names = {
  [ids.tokyo]: 'tokyo',
  [ids.frankfurt]: 'frankfurt',
  [ids.virginia]: 'virginia',
  [ids.atTokyo]: 'acme@tokyo',
  [ids.atFrankfurt]: 'acme@frankfurt',
  [ids.atVirginia]: 'acme@virginia',
  [ids.frankfurtTokyo]: 'acme/frankfurt-tokyo',
  [ids.frankfurtVirginia]: 'acme/frankfurt-virginia',
  [ids.acme]: 'acme',
  [ids.trade]: 'acme/trade',
  [ids.risk]: 'acme/trade@risk',
  [ids.archive]: 'acme/trade@archive',
};

type Report = NonNullable<StatusSite['report']>;
type Rows<K extends 'links' | 'groups' | 'limits'> = Partial<Report[K][number]>[];

export interface SiteFacts {
  reportAgeMs?: number | null;
  state?: StatusSite['state'];
  applied?: number;
  problems?: Report['problems'];
  links?: Rows<'links'>;
  groups?: Rows<'groups'>;
  limits?: Rows<'limits'>;
}

export const version = 7;

const linkUp = { state: 'up', rttMs: 20, sinceMs: 60_000, reason: '' };
const quiet = { topicId: ids.trade, outgoing: 0, pending: 0, unacked: 0, assigned: null, reason: '' };
const noReport = { applied: version, sidecarVersion: '0.1.0', serverVersion: '2.15.1' };
const empty = { linkCredentials: [], topics: [], apps: [] };

function site(name: 'tokyo' | 'frankfurt' | 'virginia', ends: Rows<'links'>, facts: SiteFacts = {}): StatusSite {
  const { reportAgeMs = 1_000, state = 'joined', applied = version, problems = [] } = facts;
  const links = ends.map((end) => {
    const told = facts.links?.find(({ linkId }) => linkId === end.linkId);
    return { ...linkUp, ...end, ...told };
  });
  const groups = (facts.groups ?? []).map((row) => ({ ...quiet, ...row }));
  const report = { ...noReport, ...empty, applied, problems, links, groups, limits: facts.limits ?? [] };
  return { id: ids[name], name, mode: 'server', state, reportAgeMs, report: siteReportSchema.parse(report) };
}

/** @param facts what is not well */
export function busOf(facts: { tokyo?: SiteFacts; frankfurt?: SiteFacts; virginia?: SiteFacts } = {}): Status {
  const toTokyo = { linkId: ids.frankfurtTokyo, peerSiteId: ids.tokyo };
  const toVirginia = { linkId: ids.frankfurtVirginia, peerSiteId: ids.virginia };
  const dials = { peerSiteId: ids.frankfurt, isDialer: true };
  return {
    ...{ busId: 'bus', version, names, replicas: [], draining: [], forgotten: [], revoked: [] },
    sites: [
      site('tokyo', [{ linkId: ids.frankfurtTokyo, ...dials }], facts.tokyo),
      site('frankfurt', [toTokyo, toVirginia], facts.frankfurt),
      site('virginia', [{ linkId: ids.frankfurtVirginia, ...dials }], facts.virginia),
    ],
  };
}
