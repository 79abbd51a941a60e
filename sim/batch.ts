/** Schedules one after the other, and what is worth telling of them. */
import { createInbox } from '@nats-io/nats-core';
import { type CrashPoint, crashPlan, describePlan, type Plan } from './plan.ts';
import { planOf, runPlan, type Verdict } from './schedule.ts';
import type { Variant } from './variants.ts';

export interface Job {
  firstSeed: number;
  count: number;
  /** one schedule per point in place of one per seed, all of the first seed and without other faults */
  crashes?: CrashPoint[];
  variant: Variant;
  /** tell every event */
  isTraced: boolean;
  /** look for the smallest plan of what is found */
  isShrunk: boolean;
}

export interface Finding {
  seed: number;
  kind: string;
  text: string;
  /** virtual time, milliseconds */
  atMs: number;
  /** the plan, without what it does not take */
  plan: string[];
}

export interface JobResult {
  hashes: string[];
  events: number;
  messages: number;
  faults: number;
  virtualMs: number;
  /** most that a sidecar held at once: timers, subscriptions, requests, unsent messages */
  mostHeld: number;
  findings: Finding[];
  trace: string[];
  /** events of each process while messages were on their way, in the last schedule */
  steps: Record<string, number>;
}

// the client's generator of names draws its first numbers once per thread, and must not draw them from a schedule
createInbox();

export function runJob(job: Job): JobResult {
  const { variant, isTraced, isShrunk } = job;
  const sums = { events: 0, messages: 0, faults: 0, virtualMs: 0, mostHeld: 0 };
  const result: JobResult = { hashes: [], ...sums, findings: [], trace: [], steps: {} };
  // stacks of errors that are caught cost more than all the rest
  Error.stackTraceLimit = isTraced ? 20 : 0;
  const onLine = isTraced ? (text: string): unknown => result.trace.push(text) : undefined;
  for (const plan of plansOf(job)) {
    const verdict = runPlan(plan, { variant, onLine });
    add(result, verdict);
    const first = verdict.violations[0];
    if (first === undefined) continue;
    const shown = isShrunk ? smallest(plan, first.kind, variant) : plan;
    result.findings.push({ seed: plan.seed, ...first, plan: describePlan(shown) });
  }
  return result;
}

function plansOf({ firstSeed, count, crashes }: Job): Plan[] {
  if (crashes === undefined) return Array.from({ length: count }, (_, index) => planOf(firstSeed + index));
  return crashes.map((point) => crashPlan(planOf(firstSeed), point));
}

function add(result: JobResult, { hash, events, messages, faults, virtualMs, mostHeld, steps }: Verdict): void {
  result.hashes.push(hash);
  result.events += events;
  result.messages += messages;
  result.faults += faults;
  result.virtualMs += virtualMs;
  result.mostHeld = Math.max(result.mostHeld, mostHeld);
  result.steps = steps;
}

/** Leaves out what is not needed for a violation of the same kind. */
function smallest(plan: Plan, kind: string, variant: Variant): Plan {
  const isStillWrong = (tried: Plan): boolean => runPlan(tried, { variant }).violations[0]?.kind === kind;
  let best = plan;
  for (const part of ['faults', 'bursts'] as const) {
    for (const each of [...best[part]]) {
      const tried = { ...best, [part]: best[part].filter((other) => other !== each) };
      if (isStillWrong(tried)) best = tried;
    }
  }
  return best;
}
