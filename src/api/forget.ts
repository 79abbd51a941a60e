/** What forgetting a terminal may cost: counted by the control plane from the sites' last reports, printed by whoever asks. */
import { z } from 'zod';
import { silentAfterMs } from './loss.ts';

const name = z.string().max(64);

const forgetCostSchema = z.strictObject({
  /** sent to the terminal and not receipted, messages at most: the group may get them twice */
  mayDouble: z.array(z.strictObject({ group: z.string(), from: z.string(), messages: z.number().int() })),
  /** receipted by the terminal and not acknowledged there when it last reported, messages: on its disk alone */
  held: z.number().int(),
  /** since its site last reported; null when it never did */
  reportAgeMs: z.number().nullable(),
  /** groups it serves alone: what was sent there waits on */
  alone: z.array(z.string()),
  /** sites whose last report is old: what they wait for is not known */
  silent: z.array(z.string()),
});

export type ForgetCost = z.output<typeof forgetCostSchema>;

/** The control API's part about terminals that are gone for good, for admins. Spread into methods.ts. */
export const forgetMethods = {
  /** without `acceptDuplicates` it only counts */
  'terminal.forget': {
    caller: 'admin',
    request: z.strictObject({ customer: name, site: name, acceptDuplicates: z.boolean() }),
    response: z.strictObject({ version: z.number().int(), isForgotten: z.boolean(), cost: forgetCostSchema }),
  },
} as const;

/** `terminal`: customer/site */
export function forgetText(terminal: string, { mayDouble, held, reportAgeMs, alone, silent }: ForgetCost): string {
  const total = mayDouble.reduce((sum, { messages }) => sum + messages, 0);
  const age = reportAgeMs === null ? 'never' : `${Math.round(reportAgeMs / 1000)} s ago`;
  const isAlive = reportAgeMs !== null && reportAgeMs <= silentAfterMs;
  return [
    `up to ${total} messages sent to ${terminal} may arrive twice`,
    ...mayDouble.map(({ group, from, messages }) => `  ${messages} of ${group} from ${from}`),
    ...(held === 0 ? [] : [`${held} messages wait on its disk: they come when it comes back`]),
    ...alone.map((group) => `it is the only terminal of ${group}: what was sent there waits on`),
    ...silent.map((site) => `${site} is silent: what it waits for is not known`),
    isAlive ? `its site reported ${age}: to empty a terminal that lives, drain it` : `its site reported ${age}`,
  ].join('\n');
}
