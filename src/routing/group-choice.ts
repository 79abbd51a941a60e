/**
 * Which terminal serves a group's next messages: its policy over paths and load. Pure but for what it remembers of
 * each group, so that a choice stays until there is a reason that lasts.
 *
 * A terminal is passed over while it drains, or has had no consumers for the group's `failoverAfterMs`, and another one
 * can take its place. One that was lost is given up after `graceMs`. A better one must stay better for `settleMs`.
 */
import type { SnapshotGroup } from '../api/snapshot.ts';

/** A terminal of a group as routing sees it now. */
export interface Candidate {
  terminalId: string;
  /** of the path; Infinity when there is none */
  cost: number;
  /** every link of the path is up */
  isWhole: boolean;
  /** since when the path is not whole, null while it is */
  lostForMs: number | null;
  /** by its own word, or the configuration's */
  isDraining: boolean;
  load: { consumers: number; waiting: number } | null;
  /** since when its record says that there are no consumers; null when there are, or nothing is known */
  idleForMs: number | null;
  /** breaks ties: its site's name, or for spread a number that differs from origin to origin */
  tie: string;
}

type Policy = Pick<SnapshotGroup, 'id' | 'policy' | 'failoverAfterMs'>;

const graceMs = 3_000;
const settleMs = 10_000;
const spreadEveryMs = 5_000;

export class GroupChoice {
  readonly #challenges = new Map<string, { terminalId: string; sinceMs: number }>();

  /** Candidates stand in the order of the group's terminals. Null when there are none. */
  choose(group: Policy, candidates: readonly Candidate[], current: string | null, nowMs: number): string | null {
    const best = bestOf(group, candidates);
    const serving = candidates.find(({ terminalId }) => terminalId === current);
    if (best === undefined || serving === undefined || best === serving) {
      this.#challenges.delete(group.id);
      return (best ?? serving)?.terminalId ?? null;
    }
    // nothing is won by a change between terminals that cannot be reached
    if (!best.isWhole) return serving.terminalId;
    if (!serving.isWhole) return (serving.lostForMs ?? 0) < graceMs ? serving.terminalId : best.terminalId;
    if (isPassedOver(serving, group, candidates)) return best.terminalId;
    return this.#hasLasted(group, best, serving, nowMs) ? best.terminalId : serving.terminalId;
  }

  forget(isKnown: (groupId: string) => boolean): void {
    for (const groupId of this.#challenges.keys()) if (!isKnown(groupId)) this.#challenges.delete(groupId);
  }

  /** Whether the better one is clearly better, and has been for long enough. */
  #hasLasted(group: Policy, best: Candidate, serving: Candidate, nowMs: number): boolean {
    if (!isClearlyBetter(group, best, serving)) {
      this.#challenges.delete(group.id);
      return false;
    }
    const known = this.#challenges.get(group.id);
    if (known?.terminalId !== best.terminalId) {
      this.#challenges.set(group.id, { terminalId: best.terminalId, sinceMs: nowMs });
      return false;
    }
    if (nowMs - known.sinceMs < (group.policy === 'spread' ? spreadEveryMs : settleMs)) return false;
    this.#challenges.delete(group.id);
    return true;
  }
}

/** The one the policy would take if nobody served the group yet. */
function bestOf(group: Policy, candidates: readonly Candidate[]): Candidate | undefined {
  const whole = candidates.filter(({ isWhole }) => isWhole);
  const pool = whole.length > 0 ? whole : candidates;
  const willing = pool.filter((candidate) => !isPassedOver(candidate, group, candidates));
  const able = willing.length > 0 ? willing : pool;
  if (group.policy === 'ordered') return able[0];
  const rank = group.policy === 'spread' ? waitingEach : (candidate: Candidate): number => candidate.cost;
  return [...able].sort((a, b) => rank(a) - rank(b) || (a.tie < b.tie ? -1 : 1))[0];
}

/** Draining, or idle for too long, and somebody else can be reached who is not. */
function isPassedOver(candidate: Candidate, group: Policy, candidates: readonly Candidate[]): boolean {
  const others = candidates.filter((other) => other !== candidate && other.isWhole && !other.isDraining);
  if (candidate.isDraining) return others.length > 0;
  const isIdle = candidate.idleForMs !== null && candidate.idleForMs >= group.failoverAfterMs;
  return isIdle && others.some(({ load }) => (load?.consumers ?? 0) > 0);
}

function isClearlyBetter({ policy }: Policy, best: Candidate, serving: Candidate): boolean {
  if (policy === 'ordered') return true;
  if (policy === 'spread') return waitingEach(serving) > 2 * waitingEach(best) + 50;
  return serving.cost > 1.3 * best.cost + 0.5;
}

/** Messages that wait per consumer; nothing known counts as nothing waiting. */
function waitingEach({ load }: Candidate): number {
  return load === null ? 0 : load.waiting / Math.max(1, load.consumers);
}
