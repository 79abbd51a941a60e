/** `npm run sim -- --schedules N --seed S [--sweep] [--variant V] [--trace] [--json]`: see docs/simulation.md. */
import { parseArgs } from 'node:util';
import { type Summary, simulate, sweep } from './run.ts';
import { isVariant, variants } from './variants.ts';

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    variant: { type: 'string', default: 'none' },
    sweep: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const [schedules, seed, variant] = [Number(values.schedules), Number(values.seed), values.variant];
if (
  values.help ||
  !Number.isSafeInteger(schedules) ||
  schedules < 1 ||
  !Number.isSafeInteger(seed) ||
  !isVariant(variant)
) {
  const list = Object.entries(variants).map(([name, text]) => `  ${name.padEnd(16)}${text}`);
  console.error(
    `npm run sim -- [--schedules N | --sweep] [--seed S] [--trace] [--json] [--variant V]\n\n${list.join('\n')}`,
  );
  process.exit(values.help ? 0 : 2);
}

const summary = values.sweep
  ? await sweep({ seed })
  : await simulate({ schedules, seed, variant, isTraced: values.trace, stopAtFirst: variant !== 'none' });
if (values.json) console.log(JSON.stringify({ variant, seed, ...summary }));
else console.log(textOf(summary));
process.exitCode = summary.findings.length > 0 ? 1 : 0;

function textOf({ trace, findings, ...sums }: Summary): string {
  const { schedules: run, distinct, events, messages, faults, mostHeld, hours, seconds } = sums;
  return [
    ...trace,
    ...findings.flatMap(({ kind, text, atMs, plan }) => ['', `${kind} at ${atMs.toFixed(3)} ms: ${text}`, ...plan]),
    `${run} schedules, ${distinct} distinct, in ${seconds.toFixed(1)} s: ${events} events, ${messages} messages, ${faults} faults, ${hours.toFixed(1)} hours of virtual time`,
    `held at every event: nothing lost, doubled, out of order, acknowledged too early or left behind; at most ${mostHeld} timers, subscriptions and requests in a sidecar`,
    `${variant === 'none' ? '' : `${variants[variant as keyof typeof variants]}: `}${findings.length} violations`,
  ].join('\n');
}
