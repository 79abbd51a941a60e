/** `npm run sim -- --schedules N --seed S [--sweep] [--variant V] [--trace] [--json]`: see docs/simulation.md. */
import { runProgram, say, wholeNumber } from '../demo/program.ts';
import { BusError } from '../src/errors.ts';
import { type Summary, simulate, sweep } from './run.ts';
import { isVariant, type Variant, variants } from './variants.ts';

const everyMs = 5_000;
const usage = `Usage: npm run sim -- [--schedules N | --sweep] [--seed S] [--trace] [--json] [--variant V]

${Object.entries(variants)
  .map(([name, text]) => `  ${name.padEnd(16)}${text}`)
  .join('\n')}
`;

await runProgram({
  name: 'sim',
  usage,
  options: {
    schedules: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    variant: { type: 'string', default: 'none' },
    sweep: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  run: async (values) => {
    const { variant, trace: isTraced } = values;
    const [schedules, seed] = [wholeNumber('schedules', values.schedules, 1), wholeNumber('seed', values.seed)];
    if (!isVariant(variant)) throw new BusError('E_USAGE', `--variant: use ${Object.keys(variants).join(', ')}`);
    const summary = values.sweep
      ? await sweep({ seed })
      : await simulate({
          schedules,
          seed,
          variant,
          isTraced,
          until: variant === 'none' ? [] : ['lost', 'duplicated'],
          ...(values.json ? {} : { onProgress: progressOf(schedules) }),
        });
    process.stdout.write(values.json ? `${JSON.stringify({ variant, seed, ...summary })}\n` : textOf(summary, variant));
    return summary.findings.length > 0 ? 1 : 0;
  },
});

/** A line now and then. */
function progressOf(schedules: number): (done: number, wrong: number) => void {
  let nextMs = performance.now() + everyMs;
  return (done, wrong) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + everyMs;
    say(`${done} of ${schedules} schedules, ${wrong} violations`);
  };
}

function textOf({ trace, findings, ...sums }: Summary, variant: Variant): string {
  const { schedules: run, distinct, events, messages, faults, mostHeld, hours, seconds } = sums;
  return [
    ...trace,
    ...findings.flatMap(({ kind, text, atMs, plan }) => ['', `${kind} at ${atMs.toFixed(3)} ms: ${text}`, ...plan]),
    `${run} schedules, ${distinct} distinct, in ${seconds.toFixed(1)} s: ${events} events, ${messages} messages, ${faults} faults, ${hours.toFixed(1)} hours of virtual time`,
    ...(findings.length > 0
      ? []
      : [
          `held at every event: nothing lost, doubled, out of order, acknowledged too early or left behind; at most ${mostHeld} timers, subscriptions and requests in a sidecar`,
        ]),
    `${variant === 'none' ? '' : `${variants[variant]}: `}${findings.length} violations\n`,
  ].join('\n');
}
