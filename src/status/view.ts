/**
 * What the reports of all sites say together: each link as its two ends see it, and each site as its neighbours do. A
 * report that is old proves nothing of now, so only the word of sites that report counts.
 */
import { silentAfterMs } from '../api/loss.ts';
import type { ResponseOf } from '../api/methods.ts';
import type { SiteReport } from '../api/site-report.ts';

export type Status = ResponseOf<'bus.status'>;
export type StatusSite = Status['sites'][number];
export type GroupRow = SiteReport['groups'][number];

/** One end of a link, as its site reports it. */
export interface LinkEnd {
  /** `acme/frankfurt-virginia` */
  link: string;
  customer: string;
  /** the two sites, this end's first */
  site: string;
  peer: string;
  isUp: boolean;
  isSilent: boolean;
  /** for how long it is so, ms */
  sinceMs: number;
  reason: string;
  isDialer: boolean;
  redialMs: number | null;
}

/** `unheard`: it should report and does not */
export type SiteVoice = 'reports' | 'unheard' | 'silent-by-nature';

/** neighbours that miss a sidecar are believed sooner than its silence alone */
const missedAfterMs = 6_000;

export class StatusView {
  readonly status: Status;
  readonly #ends: LinkEnd[];

  constructor(status: Status) {
    this.status = status;
    this.#ends = status.sites.flatMap((site) => endsOf(status, site));
  }

  nameOf(id: string | null): string {
    return id === null ? '-' : (this.status.names[id] ?? id);
  }

  /** The site of a terminal's id. */
  siteOf(terminalId: string | null): string | null {
    const name = terminalId === null ? undefined : this.status.names[terminalId];
    return name?.split('@')[1] ?? null;
  }

  site(name: string): StatusSite | undefined {
    return this.status.sites.find((site) => site.name === name);
  }

  voiceOf(name: string): SiteVoice {
    const site = this.site(name);
    if (site === undefined || site.state !== 'joined') return 'silent-by-nature';
    const ageMs = site.reportAgeMs ?? Number.POSITIVE_INFINITY;
    if (ageMs <= missedAfterMs) return 'reports';
    const isMissed = this.#wordsOn(name).some((end) => !end.isUp);
    return ageMs > silentAfterMs || isMissed ? 'unheard' : 'reports';
  }

  /** Ends of links at sites that report. */
  get ends(): LinkEnd[] {
    return this.#ends.filter(({ site }) => this.voiceOf(site) === 'reports');
  }

  /** What neighbours that report say of their links to the site. */
  neighboursOf(name: string): LinkEnd[] {
    return this.ends.filter(({ peer }) => peer === name);
  }

  #wordsOn(name: string): LinkEnd[] {
    return this.#ends.filter(({ site, peer }) => {
      const ageMs = this.site(site)?.reportAgeMs ?? Number.POSITIVE_INFINITY;
      return peer === name && ageMs <= missedAfterMs;
    });
  }
}

function endsOf({ names }: Status, { name: site, report, reportAgeMs }: StatusSite): LinkEnd[] {
  return (report?.links ?? []).map((end) => {
    const link = names[end.linkId] ?? end.linkId;
    return {
      link,
      customer: link.split('/')[0] ?? '',
      site,
      peer: end.peerSiteId === null ? '' : (names[end.peerSiteId] ?? end.peerSiteId),
      isUp: end.state === 'up' || end.state === 'degraded',
      isSilent: end.state === 'silent',
      sinceMs: end.sinceMs + (reportAgeMs ?? 0),
      reason: end.reason,
      isDialer: end.isDialer,
      redialMs: end.redialMs,
    };
  });
}
