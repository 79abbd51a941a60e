/** Schedules of consecutive seeds, one after the other, and what is worth telling of them. */
import { createInbox } from '@nats-io/nats-core';
import { describePlan, type Plan } from './plan.ts';
import { planOf, runPlan } from './schedule.ts';
import type { Variant } from './variants.ts';

export interface Job {
  firstSeed: number;
  count: number;
  variant: Variant;
  /** tell every event */
  isTraced: boolean;
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
  firstSeed: number;
  hashes: string[];
  events: number;
  messages: number;
  faults: number;
  virtualMs: number;
  findings: Finding[];
  trace: string[];
}

// the client's generator of names draws its first numbers once per thread, and must not draw them from a schedule
createInbox();

export function runJob({ firstSeed, count, variant, isTraced }: Job): JobResult {
  const findings: Finding[] = [];
  const result: JobResult = {
    firstSeed,
    hashes: [],
    events: 0,
    messages: 0,
    faults: 0,
    virtualMs: 0,
    findings,
    trace: [],
  };
  // stacks of errors that are caught cost more than all the rest
  Error.stackTraceLimit = isTraced ? 20 : 0;
  const onLine = isTraced ? (text: string): unknown => result.trace.push(text) : undefined;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const plan = planOf(seed);
    const { hash, events, messages, faults, virtualMs, violations } = runPlan(plan, { variant, onLine });
    result.hashes.push(hash);
    result.events += events;
    result.messages += messages;
    result.faults += faults;
    result.virtualMs += virtualMs;
    const first = violations[0];
    if (first !== undefined) findings.push({ seed, ...first, plan: describePlan(smallest(plan, first.kind, variant)) });
  }
  return result;
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
