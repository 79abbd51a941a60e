/**
 * Mutated frames into link, control and key endpoints of a living bus, with honest traffic beside them.
 *
 *   npm run fuzz -- [--frames N] [--seed S] [--json]
 *
 * Talk goes to stderr, the result to stdout. Exit code 0: every frame refused and counted, or proven the same, and the honest
 * messages neither lost nor doubled; 1: something else; 2: usage. The long run is --frames 1000000.
 */
import { parseArgs } from 'node:util';
import type { VictimReport } from '../attack/victim.ts';
import { startWorld } from '../attack/world.ts';
import { errorText } from '../src/errors.ts';
import { type FuzzReport, fuzz } from './fuzz.ts';
import { refusedOf } from './tally.ts';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      frames: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const [frames, seed] = [Number(values.frames), Number(values.seed)];
  if (!Number.isSafeInteger(frames) || frames < 1_000 || !Number.isSafeInteger(seed)) {
    process.stderr.write('npm run fuzz -- [--frames N, 1000 or more] [--seed S] [--json]\n');
    return 2;
  }
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  const { world, down } = await startWorld({ messages: 0, progress });
  const interrupted = (): void => void down().finally(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupted);
  try {
    const report = await fuzz(world, { frames, seed, progress });
    const victim = await world.victim.stop();
    const ok = report.ok && victim.lost + victim.doubled + victim.foreign === 0;
    process.stdout.write(values.json ? `${JSON.stringify({ ...report, ok, victim })}\n` : render(report, victim));
    return ok ? 0 : 1;
  } finally {
    await down();
  }
}

function render({ frames, seed, seconds, tallies, memory, problems }: FuzzReport, victim: VictimReport): string {
  const lines = [`${frames} frames of seed ${seed} in ${seconds} s`];
  for (const tally of tallies) {
    const codes = Object.entries(tally.refused).map(([code, count]) => `${count} ${code}`);
    lines.push(
      `${tally.target.padEnd(28)} ${tally.sent} sent, ${refusedOf(tally)} refused, ${tally.same} the same, ${tally.unanswered} unanswered (${codes.join(', ')})`,
    );
  }
  for (const { process: name, beforeMb, afterMb } of memory)
    lines.push(`${name.padEnd(28)} ${beforeMb} MB, then ${afterMb} MB`);
  const { confirmed, lost, doubled, foreign } = victim;
  lines.push(
    `honest messages              ${confirmed} confirmed, ${lost} lost, ${doubled} doubled, ${foreign} foreign`,
  );
  lines.push(...problems.map((text) => `PROBLEM ${text.slice(0, 300)}`), problems.length === 0 ? 'ok' : 'not ok');
  return `${lines.join('\n')}\n`;
}

const code = await main().catch((error: unknown) => {
  process.stderr.write(`${errorText(error)}\n`);
  return 1;
});
// an endpoint that failed leaves others with frames to send
process.exit(code);
