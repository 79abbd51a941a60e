/** What a change of the bus takes messages from: counted by the control plane, printed by whoever asks. */
import { z } from 'zod';

/** A site reports every few seconds; after this long without one, what it said is old, ms. */
export const silentAfterMs = 30_000;

export const lossSchema = z.strictObject({
  site: z.string(),
  /** `acme/trade`, `acme/trade@risk`, or the customer where nothing more is known */
  name: z.string(),
  /** as the site last reported; null when it never did */
  messages: z.number().int().nullable(),
  reportAgeMs: z.number().nullable(),
});

export type Loss = z.output<typeof lossSchema>;

export function lossText({ site, name, messages, reportAgeMs }: Loss): string {
  if (messages === null || reportAgeMs === null)
    return `${site} has never reported: what ${name} has there is not known`;
  const count = `${messages} messages of ${name} at ${site}`;
  if (reportAgeMs <= silentAfterMs) return count;
  return `${count} when it last reported, ${Math.round(reportAgeMs / 1000)} s ago; what waits there now is not known`;
}
